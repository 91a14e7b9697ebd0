-- What each rule finds: how often it is right, and the money behind it.
select
  alerts.rule,
  count(*) as alerts,
  sum(case when transactions.is_fraud then 1 else 0 end) as fraud,
  {{ ratio('sum(case when transactions.is_fraud then 1 else 0 end)', 'count(*)') }} as precision_of_alerts,
  cast(sum(case when transactions.is_fraud then transactions.amount_base else 0 end) as numeric(18, 2)) as fraud_amount
from {{ ref('alerts') }} as alerts
join {{ ref('fct_transactions') }} as transactions on transactions.transaction_id = alerts.transaction_id
group by alerts.rule
