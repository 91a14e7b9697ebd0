-- Every movement of money with what was decided about it and what it turned out to be.
select
  transactions.transaction_id,
  transactions.account_id,
  transactions.customer_id,
  transactions.merchant_id,
  transactions.order_id,
  transactions.transaction_type,
  transactions.channel,
  transactions.amount,
  transactions.currency,
  transactions.amount_base,
  transactions.event_time,
  transactions.event_day,
  transactions.event_hour,
  transactions.country,
  transactions.payment_method,
  merchants.category as merchant_category,
  decisions.decision,
  decisions.score,
  coalesce(labels.label = 'fraud', false) as is_fraud,
  labels.scenario,
  labels.known_at as label_known_at
from {{ ref('transactions') }} as transactions
left join {{ ref('decisions') }} as decisions on decisions.transaction_id = transactions.transaction_id
left join {{ ref('labels') }} as labels on labels.transaction_id = transactions.transaction_id
left join {{ ref('merchants') }} as merchants on merchants.merchant_id = transactions.merchant_id
