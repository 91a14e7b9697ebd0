-- The payment of the same account just before this one, however long ago: when, where, how much, in what way.
select account_id,
  lag(channel) over payments as account_previous_channel,
  lag(country) over payments as account_previous_country,
  lag(transaction_type) over payments as account_previous_type,
  lag(amount_base) over payments as account_previous_amount,
  amount_base / nullif(lag(amount_base) over payments, 0) as amount_to_previous,
  lag(device_id) over payments = device_id as same_device_as_previous,
  extract(epoch from event_time) - extract(epoch from lag(event_time) over payments) as seconds_since_previous,
  distance_km(lag(latitude) over payments, lag(longitude) over payments, latitude, longitude) as km_from_previous,
  distance_km(lag(latitude) over payments, lag(longitude) over payments, latitude, longitude) * 3600
    / nullif(extract(epoch from event_time) - extract(epoch from lag(event_time) over payments), 0) as kmh_from_previous
from transactions
window payments as (partition by account_id order by event_time)
