-- The payment against what is known of the customer: home, habits, and how fresh that knowledge is.
select
  extract(epoch from event_time - customer_registered_at) / 86400       as customer_age_days,
  extract(epoch from event_time - customer_password_changed_at) / 3600  as hours_since_password_change,
  extract(epoch from event_time - customer_address_since) / 86400       as days_since_address_change,
  amount_base / nullif(customer_typical_amount, 0)                   as amount_to_typical,
  distance_km(latitude, longitude, customer_home_latitude, customer_home_longitude) as km_from_home,
  country <> customer_home_country                                      as is_abroad,
  shipping_country <> customer_home_country                             as ships_abroad,
  shipping_city <> customer_address_city                                as ships_to_another_city,
  channel = customer_preferred_channel                                  as is_preferred_channel,
  customer_email_verified and customer_phone_verified                   as customer_verified
from features
