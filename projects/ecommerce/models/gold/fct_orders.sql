-- Every order: what was ordered, how far it came, how long that took, what came back.
with refunds as (
  select order_id, sum(amount) as refunded
  from {{ ref('payments') }}
  where status = 'refunded'
  group by order_id
)

select
  orders.order_id,
  orders.customer_id,
  orders.order_date,
  orders.order_day,
  orders.status,
  orders.items,
  orders.total_amount,
  orders.paid_at is not null as is_paid,
  cast(case when orders.paid_at is not null then orders.total_amount else 0 end as numeric(18, 2)) as paid_amount,
  cast(coalesce(refunds.refunded, 0) as numeric(18, 2)) as refunded_amount,
  orders.payment_method,
  orders.shipping_country,
  orders.billing_country,
  orders.paid_at,
  orders.shipped_at,
  orders.delivered_at,
  orders.cancelled_at,
  orders.returned_at
from {{ ref('orders') }} as orders
left join refunds on refunds.order_id = orders.order_id
