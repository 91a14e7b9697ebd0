{#- How raw text is cleaned; every model of silver does it in the same words. -#}

{#- Text without blanks around it; nothing where nothing is left. -#}
{% macro trimmed(column) -%}
nullif(trim({{ column }}), '')
{%- endmacro %}

{#- An ISO code of so many letters in capitals; nothing where it cannot be one. -#}
{% macro code(column, letters) -%}
case when length(trim({{ column }})) = {{ letters }} then upper(trim({{ column }})) end
{%- endmacro %}

{#- Of all records with the same key the first that was taken in: the one that was judged. -#}
{% macro first_of(key) -%}
row_number() over (partition by {{ key }} order by coalesce(_sequence, 9223372036854775807), _topic, _partition, _offset)
{%- endmacro %}

{#- Of all records with the same key the latest row; of two at one time the one that stands later in the log. -#}
{% macro latest_of(key, at) -%}
row_number() over (partition by {{ key }} order by {{ at }} desc, _partition desc, _offset desc)
{%- endmacro %}

{#- Whether a number is a share from 0 to 1. -#}
{% macro ratio(part, whole) -%}
case when {{ whole }} <> 0 then cast({{ part }} as double precision) / cast({{ whole }} as double precision) end
{%- endmacro %}
