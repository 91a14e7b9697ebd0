-- What each customer has brought so far.
select
  customers.customer_id,
  customers.country,
  profiles.segment,
  count(orders.order_id) as orders,
  coalesce(sum(case when orders.is_paid then 1 else 0 end), 0) as paid_orders,
  min(orders.order_day) as first_order_day,
  max(orders.order_day) as last_order_day,
  cast(coalesce(sum(orders.paid_amount), 0) as numeric(18, 2)) as revenue,
  cast(coalesce(sum(orders.refunded_amount), 0) as numeric(18, 2)) as refunded,
  cast(coalesce(sum(orders.paid_amount), 0) - coalesce(sum(orders.refunded_amount), 0) as numeric(18, 2)) as lifetime_value
from {{ ref('customers') }} as customers
left join {{ ref('fct_orders') }} as orders on orders.customer_id = customers.customer_id
left join {{ ref('profiles') }} as profiles on profiles.customer_id = customers.customer_id
group by customers.customer_id, customers.country, profiles.segment
