-- What the visit that led to the payment looked like.
select session_id,
  count(*)                                            over w10m as session_clicks_10m,
  count(distinct page)                                over w10m as session_pages_10m,
  count(*)                                            over w1h  as session_clicks_1h,
  count(distinct product_id)                          over w1h  as session_products_1h,
  count(*) filter (where action = 'search')           over w1h  as session_searches_1h,
  count(*) filter (where action = 'add_to_cart')      over w1h  as session_cart_adds_1h,
  count(*) filter (where action = 'checkout')         over w1h  as session_checkouts_1h,
  count(*) filter (where action = 'login')            over w1h  as session_logins_1h,
  count(*) filter (where action = 'change_password')  over w1h  as session_password_changes_1h,
  count(*) filter (where action = 'change_address')   over w1h  as session_address_changes_1h,
  first_value(event_time)                             over w1h  as session_first_click_at,
  last_value(event_time)                              over w1h  as session_last_click_at
from clickstream
window
  w10m as (partition by session_id order by event_time range interval '10 minutes' preceding),
  w1h  as (partition by session_id order by event_time range interval '1 hour' preceding)
