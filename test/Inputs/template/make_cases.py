#!/usr/bin/env python3
"""Writes cases.json: templates, what they are given, and what jinja2 renders of them with Hugging Face's settings.

usage: make_cases.py > cases.json      (needs jinja2 3.1: pip install jinja2; written with 3.1.6)

A case with "error" is one that jinja2 fails to render: the runtime must fail too. The golden conversations of the project's own
templates are copied by hand into conversations.json (name, template, messages, tools, options, rendered).
"""
import itertools, json, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """Hugging Face's mark around what the model generates, without the tracking."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller): return caller()


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message): raise jinja2.exceptions.TemplateError(message)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
ENV.filters["tojson"] = tojson
ENV.globals.update(raise_exception=raise_exception, strftime_now=lambda f: f)

INPUT = {
    "messages": [
        {"role": "user", "content": "Hi Ünï ß"},
        {"role": "assistant", "content": None, "n": 5, "f": 2.5, "items": [1, 2],
         "d": {"b": 1, "A": 2, "c": {"x": [1, {"y": None}]}}},
        {"role": "tool", "tags": ["x", "y"], "t": True}],
    "options": {
        "s": "it's \"q\"\n\ttab é \u200b\x07", "xs": [3, 1, 2], "ys": ["b", "A", "c", "a"], "e": [], "ts": "a,b,,c",
        "dd": {"z": 1, "Ä": 2, "b": 3, "a": 4, "B": 5}, "ml": "one\n two\n\nthree",
        "fl": [1.0, 0.1, 1e16, 1e-5, 123456789.123, 1e22, -0.0, 3e-7, 100000.0]}}

TEMPLATES = r'''
{{ s }}|{{ s|tojson }}|{{ [s] }}|{{ fl }}|{{ fl|tojson }}
{{ messages[1] }}
{{ messages[1]|tojson }}
{{ messages|tojson(indent=2) }}
{{ messages[1].d|tojson(indent=4, sort_keys=true) }}{{ messages[1]|tojson(separators=(',',':')) }}{{ s|tojson(ensure_ascii=true) }}{{ [{}, []]|tojson(indent=1) }}
{{ dd|dictsort }}{{ dd|dictsort(true) }}{{ dd|dictsort(by='value', reverse=true) }}
{% for k, v in dd|dictsort %}{{ k }}={{ v }};{% endfor %}
{{ xs|sort }}{{ ys|sort }}{{ range(20)|map('string')|sort|join(' ') }}{{ (xs * 5)|sort(reverse=true) }}{{ messages[1].d|tojson(sort_keys=true) }}{{ ys|sort(case_sensitive=true) }}{{ ys|sort(reverse=true) }}{{ ys|unique|list }}{{ xs|max }}{{ ys|min }}{{ xs|sum }}
{{ 'ß straße ŉ ΑΣ ΑΣ.Β dž'|upper }}{{ 'ÀÉÎ İ ΑΣ ΑΣ. Σ ΣΑ ὈΔΥΣΣΕΎΣ'|lower }}{{ 'hello wORLD-foo (bar) ßx'|title }}{{ 'ßhello WORLD'|capitalize }}{{ "they're bill's".title() }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 + 2.5 }} {{ true + 1 }} {{ 'ab' * 3 }} {{ [1] * 2 + [3] }} {{ -3|abs }} {{ 4 % 2 == 0 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' in 'abc' }} {{ 'x' not in ['y'] }} {{ not 1 == 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ none == false }} {{ [1,2] == [1,2] }} {{ (1,2) == [1,2] }} {{ {'a':1} == {'a':1.0} }} {{ 'a' < 'b' }} {{ [1,2] < [1,3] }}
{{ 'abc'[0] }}{{ 'äöü'[1] }}{{ 'äöü'[-1] }}{{ 'äöüx'[1:3] }}{{ 'abc'[::-1] }}{{ xs[::-1] }}{{ xs[1:] }}{{ xs[:-1] }}{{ xs[-5:5] }}{{ xs[::2] }}{{ 'äö'|length }}{{ xs[10] }}{{ xs[10] is defined }}
{{ ts.split(',') }}{{ ts.split(',', 1) }}{{ ts.rsplit(',', 1) }}{{ '  a b  c '.split() }}{{ '  a b  c '.split(none, 1) }}{{ '  a b  c '.rsplit(none,1) }}{{ 'a\tb\nc'.split() }}
{{ ' x '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxa'.lstrip('x') }}|{{ 'axx'.rstrip('x') }}|{{ ' a '|trim }}|{{ 'xax'|trim('x') }}|{{ none|trim }}|{{ 5|upper }}|{{ foo|upper }}
{{ 'abc'.startswith('a') }}{{ 'abc'.endswith(('x','c')) }}{{ 'aXbX'.replace('X','-') }}{{ 'aXbX'.replace('X','-',1) }}{{ 'abc'|replace('b','') }}{{ 'abc'.replace('','-') }}{{ 'ab'|replace('','-',2) }}
{{ 'abcb'.find('b') }}{{ 'abcb'.rfind('b') }}{{ 'äb'.find('b') }}{{ 'abcb'.count('b') }}{{ 'abc'.index('c') }}{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'x'.partition('-') }}{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('c') }}{{ 'a\nb\r\nc'.splitlines() }}{{ 'a\nb'.splitlines(true) }}{{ '12'.isdigit() }}{{ '-'.join(['a','b']) }}
{{ xs|join(', ') }}{{ messages|join('|', attribute='role') }}{{ messages|map(attribute='role')|list }}{{ ys|map('upper')|join }}{{ messages|map(attribute='d.b', default='-')|list }}{{ messages|selectattr('role','equalto','user')|list|length }}{{ messages|rejectattr('tags')|map(attribute='role')|list }}{{ messages|selectattr('tags','defined')|list|length }}{{ [0,1,'',2]|select|list }}{{ xs|reject('odd')|list }}{{ xs|select('>',1)|list }}{{ xs|first }}{{ xs|last }}{{ e|first }}|{{ xs|reverse|list }}{{ 'abc'|reverse }}
{{ ml|indent }}|{{ ml|indent(2, true) }}|{{ ml|indent('> ', blank=true) }}
{{ '42'|int }}{{ '42.9'|int }}{{ 'x'|int(7) }}{{ '0x1f'|int(base=16) }}{{ 3.9|int }}{{ '1.5'|float }}{{ 'x'|float }}{{ 42.55|round }}{{ 42.55|round(1) }}{{ 42.55|round(1,'floor') }}{{ 2.5|round }}{{ 5|round }}{{ 2.4|round(0,'ceil') }}{{ 3|float }}{{ true|int }}{{ none|int }}
{{ 5 is number }}{{ 5 is string }}{{ 'a' is string }}{{ xs is sequence }}{{ dd is mapping }}{{ dd is sequence }}{{ dd is iterable }}{{ none is none }}{{ foo is defined }}{{ foo is undefined }}{{ foo is sequence }}{{ foo is iterable }}{{ true is boolean }}{{ 1 is boolean }}{{ 1.0 is float }}{{ 1 is integer }}{{ true is integer }}{{ 4 is even }}{{ 3 is odd }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ 'a' is in 'abc' }}{{ 1 is eq 1 }}{{ 1 is ne 1 }}{{ true is sameas true }}{{ true is true }}{{ 'ab' is lower }}{{ 'AB' is upper }}{{ 1 is gt 0 }}{{ range is defined }}{{ range is callable }}{{ strftime_now is defined }}{{ messages[0].items is mapping }}{{ messages[1]['items'] }}{{ messages[0]['items'] is mapping }}{{ messages[0]['items'] is defined }}{{ messages[0]['pop'] is defined }}{{ messages[1].items is mapping }}
{{ messages[0].get('x') }}{{ messages[0].get('x', 'y') }}{{ messages[0].get('role') }}{{ dd.items() }}{{ dd.keys() }}{{ dd.values() }}{{ dd.keys()|list }}{% for k, v in dd.items() %}{{ k }}{{ v }}{% endfor %}{{ dd|items|list }}{{ 'a' in dd }}{{ 'a' in dd.keys() }}{{ dd|length }}{{ dd|list }}{{ dd.items()|list|length }}
{{ foo }}{{ foo|default('d') }}{{ ''|default('d') }}{{ ''|default('d', true) }}{{ foo|d }}{{ none|default('x', boolean=true) }}{{ messages[0].nope|default('n') }}{{ 'a' if false }}{{ 'a' if foo else 'b' }}{{ (1,) }}{{ () }}{{ 1, 2 }}{{ [1,(2,3),{'a':[none,true]}] }}
{% set ns = namespace(a=1, b='x') %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns['b'] }}{{ ns.zz }}{{ range(5, 0, -2)|list }}{{ range(3)|length }}{{ range(4)[2] }}{{ range(2,2)|list }}
{% set x = 1 %}{% for i in xs %}{% if i == 1 %}{% set x = i * 10 %}{% endif %}{{ x }},{% endfor %}{{ x }}
{% for i in xs if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }}{{ loop.first }}{{ loop.last }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o','e') }}{{ loop.changed(i > 2) }}{{ loop.depth }}{% else %}none{% endfor %}{% for i in e %}{% else %}empty{% endfor %}
{% for a, b in [(1,2),(3,4)] %}{{ a }}{{ b }}{% endfor %}{% for (a, (b, c)) in [(1,(2,3))] %}{{ a+b+c }}{% endfor %}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% for c in 'äb' %}[{{ c }}]{% endfor %}{% for k in dd %}{{ k }}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% macro m(a, b='B', c=a) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m() }}{{ m(1)|upper }}
{% macro w() %}[{{ caller('x') }}]{% endmacro %}{% call(z) w() %}in {{ z }} {{ s|length }}{% endcall %}
{% set blk %}  text {{ 1 + 1 }} {% endset %}[{{ blk }}]{% set up | upper | trim %} abc {% endset %}[{{ up }}]{% filter upper %}shout {{ 'x' }}{% endfilter %}{% with q = 1, r = 2 %}{{ q + r }}{% endwith %}{{ q }}{% generation %}gen{% set gg = 1 %}{% endgeneration %}{{ gg }}
{% raw %}{{ not }} {% here %}{% endraw %} a {#- comment -#} b {# c #}
  {%- if true %} lead {%- endif %}  @    {% if true %}@  body@    {% endif %}@    {%+ if true %}plus{% endif %}
{{ 'a' 'b' }}{{ "x\ty\\n\x41\u00e4\q" }}{{ 1e3 }}{{ 1_000 }}{{ 1.5e-3 }}{{ {'a': {'b': 1}}['a']['b'] }}{{ {1:2}[1] }}{{ {'k':1}.k }}{{ xs.0 }}{{ not foo }}{{ 1 if xs else 2 }}{{ 'é'.upper() }}{{ -xs[0] }}{{ +5 }}{{ - 2 ** 2 }}{{ 2 ** 3 ** 2 }}{{ 1 ~ 2 ~ none ~ foo ~ true }}{{ 'a' ~ xs }}{{ 1 - -1 }}{{ 3 * -2 }}{{ 5|string + '!' }}{{ x is defined and x > 0 or false }}{{ (x or 5) and 'y' }}
{{ dd|tojson|safe }}{{ 'x'|safe }}{{ "%s" }}{{ xs|tojson }}{{ [1.0, true, none, 'x']|tojson }}{{ {'a': 1, 2: 'b', none: 1, true: 2}|tojson }}{{ (1,2)|tojson }}
'''.strip("\n").split("\n")
TEMPLATES = [t.replace("@", "\n") for t in TEMPLATES]     # @: a line's end inside of one case

FAIL = r"""
{{ nope.x }}
{{ nope['x'] }}
{{ nope + 'x' }}
{{ messages[5].role }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 'a' + 1 }}
{{ [1] < ['a'] }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ none|length }}
{{ 5|join }}
{{ xs|dictsort }}
{{ 5|items|list }}
{{ messages[1].content[1:] }}
{{ xs[::0] }}
{{ [nope]|tojson }}
{{ {[1]: 2} }}
{{ 'a'.index('b') }}
{{ [1].index(2) }}
{{ 'a'.split('') }}
{{ xs.split(',') }}
{{ 'a'.items() }}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% set xs.a = 1 %}
{% set nope.a = 1 %}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}
{% macro m(a) %}{% endmacro %}{% set m = 1 %}{{ m(1) }}
{{ raise_exception('no such role') }}
{{ range(1000000) }}
{{ range(1, 5, 0) }}
{{ xs|map('upper')|length }}
{% for i in 5 %}{% endfor %}
{{ -'a' }}
{{ xs|sort(attribute='x.y') }}
{{ 'x'|round }}
""".strip("\n").split("\n")


def spaces():
    """Every mark on either side of a tag, with white space around it."""
    tags = ("{%A if true B%}x{%A endif B%}", "{#A c B#}", "{{A 1 B}}", "{%A raw B%} r {%A endraw B%}",
            "{% for i in [1,2] %}N{%A if i B%}M{% endif %}\n{% endfor %}")
    for a, b, n, m in itertools.product(["", "-", "+"], ["", "-", "+"], ["", "\n", "  \n\t "], ["", " ", "\n\n "]):
        for tag in tags:
            if b == "+" and ("raw" in tag or "{{" in tag): continue
            t = tag.replace("A", a).replace("B", b).replace("N", n).replace("M", m)
            yield "a" + n + t + m + "b"
            yield n + t + m


def render(source):
    try: template = ENV.from_string(source)
    except Exception as e: sys.exit(f"{source!r}: {e}")
    values = dict(bos_token="<bos>", tools=None, documents=None, add_generation_prompt=True, messages=INPUT["messages"])
    try: return {"template": source, "text": template.render(**values, **INPUT["options"])}
    except (Exception, RecursionError): return {"template": source, "error": True}


cases = [render(t) for t in TEMPLATES + FAIL + ["\n".join(TEMPLATES)]]
# The matrix of white space as two columns: a case of its own for each would be three times as long.
matrix = [[t, render(t)["text"]] for t in dict.fromkeys(spaces())]
assert all("error" in c for c in cases[len(TEMPLATES):-1]), [c for c in cases[len(TEMPLATES):-1] if "text" in c]
assert all("text" in c for c in cases[:len(TEMPLATES)]), [c for c in cases[:len(TEMPLATES)] if "error" in c]
json.dump({"input": INPUT, "cases": cases, "spaces": matrix}, sys.stdout, ensure_ascii=False, indent=0)
