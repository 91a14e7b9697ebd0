-- The payment of the same account before this one through the same channel: a card that was at a till can be followed from till to till,
-- whatever its owner buys from the sofa in between.
select account_id, channel,
  extract(epoch from event_time) - extract(epoch from lag(event_time) over payments) as seconds_since_same_channel,
  distance_km(lag(latitude) over payments, lag(longitude) over payments, latitude, longitude) as km_from_same_channel,
  lag(entry_mode) over payments as same_channel_previous_entry_mode
from transactions
window payments as (partition by account_id, channel order by event_time)
