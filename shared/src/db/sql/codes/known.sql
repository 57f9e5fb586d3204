-- Whether a browser may open a recipient's page. $1 pass, $2 plan, $3 recipient.
SELECT EXISTS (SELECT FROM page_pass
                WHERE id = $1 AND plan_id = $2 AND no = $3 AND revoked_at IS NULL AND created_at > now() - interval '30 days')
