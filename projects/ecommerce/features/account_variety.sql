-- How many different merchants, places, devices and cards an account has had to do with.
select account_id,
  count(distinct merchant_id)   over w24h as account_merchants_24h,
  count(distinct country)       over w24h as account_countries_24h,
  count(distinct country)       over w30d as account_countries_30d,
  count(distinct device_id)     over w24h as account_devices_24h,
  count(distinct device_id)     over w30d as account_devices_30d,
  count(distinct ip)            over w24h as account_ips_24h,
  count(distinct card_id)       over w24h as account_cards_24h,
  count(distinct shipping_city) over w30d as account_shipping_cities_30d
from transactions
window
  w24h as (partition by account_id order by event_time range interval '24 hours' preceding),
  w30d as (partition by account_id order by event_time range interval '30 days' preceding)
