-- How each product sells, of orders that were paid.
select
  products.product_id,
  products.name,
  products.category,
  products.price,
  count(distinct items.order_id) as orders,
  cast(coalesce(sum(items.quantity), 0) as bigint) as pieces,
  cast(coalesce(sum(items.line_amount), 0) as numeric(18, 2)) as revenue,
  cast(coalesce(sum(items.discount), 0) as numeric(18, 2)) as discounts,
  cast(coalesce(sum(items.line_amount - items.cost_amount), 0) as numeric(18, 2)) as profit
from {{ ref('products') }} as products
left join {{ ref('fct_order_items') }} as items on items.product_id = products.product_id and items.is_paid
group by products.product_id, products.name, products.category, products.price
