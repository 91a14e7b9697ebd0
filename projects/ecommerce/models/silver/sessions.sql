-- Each visit to the shop: when, how long, how far it went.
with orders as (
  select session_id, count(distinct order_id) as orders
  from {{ ref('transactions') }}
  where session_id is not null and order_id is not null and transaction_type = 'purchase'
  group by session_id
)

select
  clicks.visit_id,
  min(clicks.session_id) as session_id,
  max(clicks.customer_id) as customer_id,
  max(clicks.device_id) as device_id,
  min(clicks.event_time) as started_at,
  max(clicks.event_time) as ended_at,
  cast(min(clicks.event_time) as date) as started_day,
  count(*) as clicks,
  count(distinct clicks.product_id) as products_seen,
  max(case when clicks.action = 'view' and clicks.product_id is not null then 1 else 0 end) as saw_product,
  max(case when clicks.action = 'add_to_cart' then 1 else 0 end) as put_in_cart,
  max(case when clicks.action = 'checkout' then 1 else 0 end) as reached_checkout,
  max(case when clicks.action = 'checkout' and orders.orders > 0 then 1 else 0 end) as paid
from {{ ref('clicks') }} as clicks
left join orders on orders.session_id = clicks.session_id
group by clicks.visit_id
