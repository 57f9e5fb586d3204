-- Tiers for some hours only (rule 10).

-- Which tiers are not for the hour that a clock shows now (zone NULL or none that is known here: the tenant's).
CREATE FUNCTION closed_tiers(the_tenant bigint, p_tiers jsonb, own_zone text) RETURNS smallint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text := own_zone;
    clock text;
BEGIN
    IF zone IS NULL THEN
        SELECT t.time_zone INTO zone FROM tenant t WHERE t.id = the_tenant;
    END IF;
    clock := to_char(now() AT TIME ZONE zone, 'HH24:MI');
    RETURN ARRAY(SELECT t.place::smallint
                   FROM jsonb_array_elements(p_tiers) WITH ORDINALITY AS t(tier, place)
                  CROSS JOIN LATERAL (SELECT t.tier #>> '{only,hours,from}' AS opens, t.tier #>> '{only,hours,to}' AS closes) AS h
                  WHERE h.opens IS NOT NULL
                    AND NOT CASE WHEN h.opens < h.closes THEN clock >= h.opens AND clock < h.closes
                                 ELSE clock >= h.opens OR clock < h.closes END);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN CASE WHEN own_zone IS NOT NULL THEN closed_tiers(the_tenant, p_tiers, NULL) END;
END $$;
COMMENT ON FUNCTION closed_tiers IS 'Numbers of tiers as declared, from 1. Same windows as domain::quiet::Window.';
