-- What this account and this merchant have had to do with each other.
select account_id, merchant_id,
  count(*) over w30d as account_merchant_count_30d,
  count(*) filter (where transaction_type = 'refund') over w30d as account_merchant_refunds_30d,
  count(*) filter (where transaction_type = 'purchase') over w30d as account_merchant_purchases_30d,
  extract(epoch from event_time) - extract(epoch from lag(event_time) over w30d) as seconds_since_same_merchant,
  lag(amount) over w30d = amount as same_amount_as_last_at_merchant
from transactions
window w30d as (partition by account_id, merchant_id order by event_time range interval '30 days' preceding)
