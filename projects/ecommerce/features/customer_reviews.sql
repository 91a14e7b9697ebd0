-- What the customer writes about what was bought; who reviews has usually got the parcel.
select customer_id,
  count(*)    over w30d as customer_reviews_30d,
  avg(rating) over w30d as customer_average_rating_30d
from reviews
window w30d as (partition by customer_id order by event_time range interval '30 days' preceding)
