-- No order gives back more than was paid for it.
select order_id, paid_amount, refunded_amount
from {{ ref('fct_orders') }}
where refunded_amount > paid_amount
