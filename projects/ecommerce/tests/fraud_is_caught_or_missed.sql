-- Every fraud of a day is either caught or missed.
select event_day, fraud, caught, missed
from {{ ref('fraud_daily') }}
where fraud <> caught + missed
