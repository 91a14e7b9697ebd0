-- The payment against what the account holds and how old it is.
select
  amount_base / nullif(account_balance, 0)      as amount_to_balance,
  amount_base / nullif(account_credit_limit, 0) as amount_to_credit_limit,
  account_amount_24h / nullif(account_balance + account_amount_24h, 0) as account_spent_share_24h,
  (account_transfer_amount_24h + account_withdrawal_amount_24h) / nullif(account_deposit_amount_24h, 0) as account_out_to_deposits_24h,
  extract(epoch from event_time - account_opened_at) / 86400 as account_age_days
from features
