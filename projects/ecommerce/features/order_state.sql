-- The order that the payment or refund belongs to, as it stands then.
select order_id,
  status           as order_status,
  total_amount     as order_total,
  items            as order_item_count,
  order_date       as order_placed_at,
  shipping_country as order_shipping_country
from orders
