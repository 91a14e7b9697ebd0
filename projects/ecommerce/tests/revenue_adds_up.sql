-- The days' revenue is that of the orders, to the cent.
select sales.revenue, orders.paid
from (select sum(revenue) as revenue, sum(refunded) as refunded from {{ ref('daily_sales') }}) as sales
cross join (select sum(paid_amount) as paid, sum(refunded_amount) as refunded from {{ ref('fct_orders') }}) as orders
where sales.revenue <> orders.paid or sales.refunded <> orders.refunded
