-- What goes through a merchant: its size, its usual payment, and the share of refunds.
select merchant_id,
  count(*)                   over w24h as merchant_count_24h,
  count(distinct account_id) over w24h as merchant_accounts_24h,
  count(*) filter (where transaction_type = 'refund') over w24h / nullif(count(*) over w24h, 0) as merchant_refund_share_24h,
  amount / nullif(avg(amount) over w30d, 0) as amount_to_merchant_average
from transactions
window
  w24h as (partition by merchant_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by merchant_id order by event_time range interval '30 days' preceding)
