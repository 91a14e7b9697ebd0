-- Every decision, with how it did: what was held back rightly and wrongly, what was let through rightly and wrongly.
with alerts as (
  select transaction_id, count(*) as alerts, min(rule) as first_rule
  from {{ ref('alerts') }}
  group by transaction_id
)

select
  decisions.transaction_id,
  decisions.sequence,
  decisions.account_id,
  decisions.event_time,
  cast(decisions.event_time as date) as event_day,
  decisions.decision,
  decisions.score,
  decisions.judged,
  decisions.project,
  coalesce(alerts.alerts, 0) as alerts,
  alerts.first_rule,
  transactions.amount_base,
  transactions.is_fraud,
  transactions.scenario,
  decisions.decision <> 'allow' and transactions.is_fraud as caught,
  decisions.decision = 'allow' and transactions.is_fraud as missed,
  decisions.decision <> 'allow' and not transactions.is_fraud as false_alarm
from {{ ref('decisions') }} as decisions
join {{ ref('fct_transactions') }} as transactions on transactions.transaction_id = decisions.transaction_id
left join alerts on alerts.transaction_id = decisions.transaction_id
