-- Every line of an order with what it earned.
select
  items.order_item_id,
  items.order_id,
  orders.customer_id,
  orders.order_day,
  orders.is_paid,
  items.product_id,
  products.name as product_name,
  coalesce(products.category, items.category) as category,
  items.quantity,
  items.unit_price,
  items.discount,
  items.line_amount,
  cast(items.quantity * products.cost as numeric(18, 2)) as cost_amount
from {{ ref('order_items') }} as items
join {{ ref('fct_orders') }} as orders on orders.order_id = items.order_id
left join {{ ref('products') }} as products on products.product_id = items.product_id
