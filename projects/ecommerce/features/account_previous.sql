-- The payment of the same account just before this one: how long ago, how far away, through which channel.
select account_id,
  lag(channel) over payments as account_previous_channel,
  lag(country) over payments as account_previous_country,
  extract(epoch from event_time) - extract(epoch from lag(event_time) over payments) as seconds_since_previous,
  distance_km(lag(latitude) over payments, lag(longitude) over payments, latitude, longitude) as km_from_previous
from transactions
window payments as (partition by account_id order by event_time)
