-- What goes through a merchant: its size, its usual payment, sudden crowds, tiny payments, and the share of refunds.
select merchant_id,
  count(*)                   over w1h  as merchant_count_1h,
  count(*)                   over w24h as merchant_count_24h,
  sum(amount_base)          over w24h as merchant_amount_24h,
  count(distinct account_id) over w24h as merchant_accounts_24h,
  count(distinct account_id) over w24h / nullif(count(*) over w24h, 0) as merchant_accounts_share_24h,
  count(*) filter (where transaction_type = 'refund') over w24h / nullif(count(*) over w24h, 0) as merchant_refund_share_24h,
  count(*) filter (where transaction_type = 'refund') over w30d / nullif(count(*) over w30d, 0) as merchant_refund_share_30d,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w1h as merchant_small_count_1h,
  count(*) filter (where amount_base < {{ var('small_amount') }}) over w30d / nullif(count(*) over w30d, 0) as merchant_small_share_30d,
  count(*) over w1h * 720 / nullif(count(*) over w30d, 0) as merchant_spike_1h,
  count(*) over w24h * 30 / nullif(count(*) over w30d, 0) as merchant_spike_24h,
  avg(amount_base) over w30d as merchant_average_30d,
  amount_base / nullif(avg(amount_base) over w30d, 0) as amount_to_merchant_average,
  (amount_base - avg(amount_base) over w30d) / nullif(stddev(amount_base) over w30d, 0) as amount_merchant_deviations
from transactions
window
  w1h  as (partition by merchant_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by merchant_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by merchant_id order by event_time range interval '30 days' preceding)
