-- How far the visits of each day went.
select
  started_day,
  count(*) as visits,
  sum(saw_product) as saw_product,
  sum(put_in_cart) as put_in_cart,
  sum(reached_checkout) as reached_checkout,
  sum(paid) as paid,
  {{ ratio('sum(put_in_cart)', 'count(*)') }} as cart_rate,
  {{ ratio('sum(reached_checkout)', 'count(*)') }} as checkout_rate,
  {{ ratio('sum(paid)', 'count(*)') }} as conversion_rate
from {{ ref('sessions') }}
group by started_day
