-- The payment against its order, its visit and its merchant.
select
  amount_base / nullif(order_total, 0)                               as amount_to_order_total,
  extract(epoch from event_time - order_placed_at) / 3600               as hours_since_order,
  extract(epoch from event_time - session_first_click_at)               as seconds_since_first_click,
  extract(epoch from event_time - session_last_click_at)                as seconds_since_last_click,
  extract(epoch from event_time - session_first_click_at) / nullif(session_clicks_1h, 0) as seconds_for_a_click,
  amount_base / nullif(merchant_typical_amount, 0)                   as amount_to_merchant_typical,
  extract(epoch from event_time - merchant_onboarded_at) / 86400        as merchant_age_days,
  country <> merchant_country                                           as merchant_is_abroad
from features
