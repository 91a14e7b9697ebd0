{#- Macros under the names of the package dbt_utils, with the same results. -#}
{%- macro generate_surrogate_key(field_list) -%}
md5(cast(
{%- for field in field_list -%}
coalesce(cast({{ field }} as TEXT), '_dbt_utils_surrogate_key_null_'){%- if not loop.last %} || '-' || {% endif -%}
{%- endfor %} as TEXT))
{%- endmacro -%}

{%- macro star(from, except=[], prefix='', suffix='', relation_alias=none) -%}
{%- set columns = adapter.get_columns_in_relation(from) -%}
{%- set left_out = except | map('lower') | list -%}
{%- set kept = columns | rejectattr('name', 'in', left_out) | list -%}
{%- for column in kept -%}
{%- if relation_alias is not none -%}{{ relation_alias }}.{%- endif -%}
{{ column.quoted }}{%- if prefix or suffix %} as "{{ prefix }}{{ column.name }}{{ suffix }}"{% endif -%}
{%- if not loop.last %}, {% endif -%}
{%- else -%}*{%- endfor -%}
{%- endmacro -%}

{%- macro date_spine(datepart, start_date, end_date) -%}
{%- if datepart not in ['day', 'hour', 'minute', 'month', 'week', 'year'] -%}
{{ exceptions.raise_compiler_error('date_spine knows day, hour, minute, month, week and year, not `' ~ datepart ~ '`') }}
{%- endif -%}
select spine.date_{{ datepart }}
from generate_series(cast({{ start_date }} as timestamp), cast({{ end_date }} as timestamp), interval '1 {{ datepart }}') as spine(date_{{ datepart }})
where spine.date_{{ datepart }} < cast({{ end_date }} as timestamp)
{%- endmacro -%}

{%- macro test_expression_is_true(model, expression, column_name=none) -%}
select * from {{ model }}
where not ({% if column_name is not none %}{{ column_name }} {% endif %}{{ expression }})
{%- endmacro -%}

{%- macro test_unique_combination_of_columns(model, combination_of_columns) -%}
select {{ combination_of_columns | join(', ') }}, count(*) as n_records
from {{ model }}
group by {{ combination_of_columns | join(', ') }}
having count(*) > 1
{%- endmacro -%}

{%- macro test_accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) -%}
{%- if min_value is none and max_value is none -%}
{{ exceptions.raise_compiler_error('accepted_range needs `min_value` or `max_value`') }}
{%- endif -%}
select * from {{ model }}
where false
{%- if min_value is not none %} or {{ column_name }} <{% if not inclusive %}={% endif %} {{ min_value }}{% endif %}
{%- if max_value is not none %} or {{ column_name }} >{% if not inclusive %}={% endif %} {{ max_value }}{% endif %}
{%- endmacro -%}

{%- macro test_not_empty_string(model, column_name, trim_whitespace=true) -%}
select * from {{ model }}
where {% if trim_whitespace %}trim({{ column_name }}){% else %}{{ column_name }}{% endif %} = ''
{%- endmacro -%}

{%- macro test_at_least_one(model, column_name) -%}
select n_values from (select count({{ column_name }}) as n_values from {{ model }}) as counted where n_values = 0
{%- endmacro -%}

{%- macro test_equal_rowcount(model, compare_model) -%}
select count_a, count_b from (
  select (select count(*) from {{ model }}) as count_a, (select count(*) from {{ compare_model }}) as count_b
) as counts
where count_a <> count_b
{%- endmacro -%}
