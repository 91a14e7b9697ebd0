-- A row for each day of the calendar.
with days as (
  {{ dbt_utils.date_spine('day', "cast('" ~ var('calendar_from') ~ "' as date)", "cast('" ~ var('calendar_to') ~ "' as date)") }}
)

select
  cast(date_day as date) as date_day,
  cast(extract(year from date_day) as integer) as year,
  cast(extract(quarter from date_day) as integer) as quarter,
  cast(extract(month from date_day) as integer) as month,
  cast(extract(day from date_day) as integer) as day_of_month,
  cast(extract(doy from date_day) as integer) as day_of_year,
  cast(extract(dow from date_day) as integer) as day_of_week,
  extract(dow from date_day) in (0, 6) as is_weekend,
  cast(date_trunc('week', date_day) as date) as week_start,
  cast(date_trunc('month', date_day) as date) as month_start
from days
