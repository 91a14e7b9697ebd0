-- Each order once: its latest status, and when it got each of them.
with history as (
  select orders.*, {{ latest_of('order_id', 'updated_at') }} as place
  from {{ source('bronze', 'orders') }} as orders
  where order_id is not null
),

times as (
  select
    order_id,
    min(case when status = 'paid' then updated_at end) as paid_at,
    min(case when status = 'shipped' then updated_at end) as shipped_at,
    min(case when status = 'delivered' then updated_at end) as delivered_at,
    min(case when status = 'cancelled' then updated_at end) as cancelled_at,
    min(case when status = 'returned' then updated_at end) as returned_at
  from history
  group by order_id
)

select
  history.order_id,
  history.customer_id,
  history.order_date,
  cast(history.order_date as date) as order_day,
  lower(trim(history.status)) as status,
  history.total_amount,
  history.items,
  {{ code('history.shipping_country', 2) }} as shipping_country,
  {{ code('history.billing_country', 2) }} as billing_country,
  lower({{ trimmed('history.payment_method') }}) as payment_method,
  times.paid_at,
  times.shipped_at,
  times.delivered_at,
  times.cancelled_at,
  times.returned_at,
  history.updated_at
from history
join times on times.order_id = history.order_id
where history.place = 1
