{#- A row for each period from the first date to before the last. -#}
{% macro date_spine(datepart, start_date, end_date) %}
select cast({{ start_date }} as timestamp) + n * interval '1 {{ datepart }}' as date_{{ datepart }}
from generate_series(0, 100000) as n
where cast({{ start_date }} as timestamp) + n * interval '1 {{ datepart }}' < {{ end_date }}
{% endmacro %}
