-- What the payment provider told of the customer's attempts: a thief is declined more often than the owner.
select customer_id,
  count(*) filter (where status = 'declined') over w1h  as customer_declined_1h,
  count(*) filter (where status = 'declined') over w24h as customer_declined_24h,
  count(*) filter (where status = 'declined') over w30d
    / nullif(count(*) filter (where status in ('declined', 'authorised')) over w30d, 0) as customer_declined_share_30d,
  count(*) filter (where status = 'refunded') over w30d as customer_refunded_count_30d,
  count(distinct method) over w30d as customer_methods_30d
from payments
window
  w1h  as (partition by customer_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by customer_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by customer_id order by event_time range interval '30 days' preceding)
