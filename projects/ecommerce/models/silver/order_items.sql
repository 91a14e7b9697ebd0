-- Each line of an order once, with what it costs.
with ranked as (
  select items.*, {{ first_of('order_item_id') }} as place
  from {{ source('bronze', 'order_items') }} as items
  where order_item_id is not null and order_id is not null
)

select
  order_item_id,
  order_id,
  product_id,
  lower({{ trimmed('category') }}) as category,
  quantity,
  unit_price,
  coalesce(discount, 0) as discount,
  cast(quantity * unit_price - coalesce(discount, 0) as numeric(18, 2)) as line_amount,
  event_time
from ranked
where place = 1
