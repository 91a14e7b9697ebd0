-- The lines of an order add up to its total.
select orders.order_id, orders.total_amount, sum(items.line_amount) as lines
from {{ ref('fct_orders') }} as orders
join {{ ref('fct_order_items') }} as items on items.order_id = orders.order_id
group by orders.order_id, orders.total_amount
having orders.total_amount <> sum(items.line_amount)
