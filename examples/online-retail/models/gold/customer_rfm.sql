-- Each customer by recency, frequency and money: fifths of each, 5 is best; of equals the one with the lesser id stands behind.
with customers as (
  select
    customer_id,
    max(case when kind = 'sale' then invoice_day end) as last_order_day,
    count(distinct case when kind = 'sale' then invoice end) as orders,
    sum(amount) as amount
  from {{ ref('lines') }}
  where customer_id is not null and kind in ('sale', 'return')
  group by customer_id
),

scored as (
  select
    customers.*,
    ntile(5) over (order by last_order_day, customer_id) as recency,
    ntile(5) over (order by orders, customer_id) as frequency,
    ntile(5) over (order by amount, customer_id) as monetary
  from customers
  where orders > 0
)

select
  customer_id,
  last_order_day,
  orders,
  {{ pounds('amount') }} as amount,
  cast(recency as integer) as recency,
  cast(frequency as integer) as frequency,
  cast(monetary as integer) as monetary,
  case
    when recency >= 4 and frequency >= 4 then 'champion'
    when recency >= 4 and frequency <= 2 then 'new'
    when recency <= 2 and frequency >= 4 then 'at risk'
    when recency <= 2 and frequency <= 2 then 'lost'
    else 'regular'
  end as segment
from scored
