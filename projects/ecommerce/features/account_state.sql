-- What is known of the account at the payment's time: the newest row of an upsert stream.
select account_id,
  balance      as account_balance,
  credit_limit as account_credit_limit,
  status       as account_status,
  country      as account_country,
  opened_at    as account_opened_at
from account_balances
