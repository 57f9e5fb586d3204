-- One decision. $1 plan, $2 round, $3 step, $4 opinion, $5 approver or NULL, $6 key or NULL, $7 name, $8 comment.
SELECT decide_approval($1, $2, $3, $4, $5, $6, $7, $8)
