-- What the shop sold on each day, in the project's currency.
select
  order_day,
  count(*) as orders,
  sum(case when is_paid then 1 else 0 end) as paid_orders,
  count(distinct customer_id) as customers,
  cast(sum(items) as bigint) as items,
  cast(sum(total_amount) as numeric(18, 2)) as ordered_amount,
  cast(sum(paid_amount) as numeric(18, 2)) as revenue,
  cast(sum(refunded_amount) as numeric(18, 2)) as refunded,
  cast(sum(paid_amount) - sum(refunded_amount) as numeric(18, 2)) as net_revenue
from {{ ref('fct_orders') }}
group by order_day
