-- Every alert once: a rule that hit a transaction which a person should see.
with ranked as (
  select alerts.*, row_number() over (partition by alert_id order by sequence, _offset) as place
  from {{ source('bronze', 'alerts') }} as alerts
  where alert_id is not null
)

select
  alert_id,
  transaction_id,
  account_id,
  alert_type as rule,
  alert_message as message,
  lower(severity) as severity,
  lower(decision) as decision,
  score,
  amount,
  event_time,
  sequence
from ranked
where place = 1
