// What is refused: at compile time everything that the runtime does not have, by name and place; at run time
// what a template itself refuses, and whatever would run away.
#include "TemplateTest.h"

#include <algorithm>

namespace gemmac::test {
namespace {

struct Refused {
  const char *text, *message; ///< of the message the part between the file's name and the advice
};

void PrintTo(const Refused &r, std::ostream *os) { *os << r.text; }

class Compile : public testing::TestWithParam<Refused> {};

TEST_P(Compile, isRefusedByNameAndPlace) {
  EXPECT_EQ(refusal(GetParam().text),
            std::string("t.jinja: ") + GetParam().message +
                "; give a template that gemmac can compile with --chat-template=FILE");
}

INSTANTIATE_TEST_SUITE_P(
    Constructs, Compile,
    testing::Values(
        Refused{"{{ x|groupby('a') }}", "line 1, column 6: the filter 'groupby' is not supported"},
        Refused{"a\n  {{ x|map('nope') }}", "line 2, column 12: the filter 'nope' is not supported"},
        Refused{
            "{{ x|map(f) }}",
            "line 1, column 10: the filter 'map' is supported with the name of a filter as a string only"},
        Refused{"{{ x|map }}",
                "line 1, column 6: the filter 'map' lacks the name of a filter or an attribute"},
        Refused{"{{ x|selectattr('a', 'nope') }}", "line 1, column 22: the test 'nope' is not supported"},
        Refused{"{{ x|selectattr }}",
                "line 1, column 6: the filter 'selectattr' lacks the name of an attribute"},
        Refused{
            "{{ x|select(f) }}",
            "line 1, column 13: the filter 'select' is supported with the name of a test as a string only"},
        Refused{"{{ x is escaped }}", "line 1, column 9: the test 'escaped' is not supported"},
        Refused{"{{ x is string is none }}", "line 1, column 16: tests cannot be chained"},
        Refused{"{{ cycler(1) }}", "line 1, column 4: the function 'cycler' is not supported"},
        Refused{"{{ x.append(1) }}", "line 1, column 6: the method 'append' is not supported"},
        Refused{"{{ x.format(1) }}", "line 1, column 6: the method 'format' is not supported"},
        Refused{"{{ x['get'](1) }}",
                "line 1, column 12: a call of what is neither a function nor a method is not supported"},
        Refused{"{{ x.__class__ }}",
                "line 1, column 6: the attribute '__class__' is not allowed in a template"},
        Refused{"{{ f(*x) }}", "line 1, column 6: '*' in arguments is not supported"},
        Refused{"{{ x|tojson(wide=1) }}",
                "line 1, column 13: the filter 'tojson' has no parameter 'wide' that is supported"},
        Refused{"{{ x|upper(1) }}", "line 1, column 12: the filter 'upper' takes at most 0 arguments"},
        Refused{"{{ x|replace('a') }}", "line 1, column 6: the filter 'replace' lacks its argument 'new'"},
        Refused{"{{ x|join('a', d='b') }}", "line 1, column 16: the filter 'join' is given 'd' twice"},
        Refused{"{{ f(a=1, 2) }}", "line 1, column 11: an argument without a name follows one with a name"},
        Refused{"{% set y = x|safe %}",
                "line 1, column 14: the filter 'safe' is supported at the end of an output only"},
        Refused{"{{ self }}", "line 1, column 4: the variable 'self' is not supported"},
        Refused{"{% macro m() %}{{ varargs }}{% endmacro %}",
                "line 1, column 19: the variable 'varargs' is not supported"},
        Refused{"{% include 'x' %}", "line 1, column 4: the tag 'include' is not supported"},
        Refused{"{% block b %}{% endblock %}", "line 1, column 4: the tag 'block' is not supported"},
        Refused{"{% do x %}", "line 1, column 4: the tag 'do' is not supported"},
        Refused{"{% endif %}", "line 1, column 4: the tag 'endif' has no opening tag"},
        Refused{"{% for x in y recursive %}{% endfor %}",
                "line 1, column 15: a recursive loop is not supported"},
        Refused{"{% for x in y %}{% macro m() %}{% endmacro %}{% endfor %}",
                "line 1, column 20: a macro inside of a loop, a macro or a block is not supported"},
        Refused{"{% macro range() %}{% endmacro %}",
                "line 1, column 10: a macro with the name of the function 'range' is not supported"},
        Refused{"{% macro m(a, a) %}{% endmacro %}", "line 1, column 15: the parameter 'a' is there twice"},
        Refused{"{% macro m(a=1, b) %}{% endmacro %}",
                "line 1, column 17: the parameter 'b' without a default follows one with a default"},
        Refused{"{% macro m(caller) %}{% endmacro %}",
                "line 1, column 12: a parameter named 'caller' is not supported"},
        Refused{"{% break %}", "line 1, column 4: 'break' outside of a loop"},
        Refused{"{% for x in y %}{% set z %}{% continue %}{% endset %}{% endfor %}",
                "line 1, column 31: 'continue' outside of a loop"},
        Refused{"{% call x.y() %}{% endcall %}", "line 1, column 11: the method 'y' is not supported"},
        Refused{"{% call x %}{% endcall %}", "line 1, column 9: 'call' is supported with a macro only"},
        Refused{"{% set true = 1 %}", "line 1, column 8: cannot assign to 'true'"}));

INSTANTIATE_TEST_SUITE_P(
    Syntax, Compile,
    testing::Values(
        Refused{"{% if x %}", "line 1, column 4: the 'if' that starts here has no 'endif'"},
        Refused{"\n\n  {% for a in b %}x", "line 3, column 6: the 'for' that starts here has no 'endfor'"},
        Refused{"{{ x", "line 1, column 1: the tag that starts here has no }}"},
        Refused{"é{% if x", "line 1, column 2: the tag that starts here has no %}"},
        Refused{"{# x", "line 1, column 1: the comment that starts here has no #}"},
        Refused{"{% raw %}x", "line 1, column 1: the raw block that starts here has no {% endraw %}"},
        Refused{"{{ 'x }}", "line 1, column 4: the string that starts here has no end"},
        Refused{"{{ '\\N{DASH}' }}",
                "line 1, column 5: the escape \\N of a string is not supported or not a character"},
        Refused{"{{ '\\ud800' }}",
                "line 1, column 5: the escape \\u of a string is not supported or not a character"},
        Refused{"{{ ) }}", "line 1, column 4: found ')', expected no closing bracket"},
        Refused{"{{ (x] }}", "line 1, column 6: found ']', expected ')'"},
        Refused{"{{ }}", "line 1, column 4: found '}}', expected an expression"},
        Refused{"{{ x y }}", "line 1, column 6: found 'y', expected '}}' or an operator"},
        Refused{"{{ x. }}", "line 1, column 7: found '}}', expected a name behind '.'"},
        Refused{"{{ x[1,2] }}", "line 1, column 7: a subscript of several parts is not supported"},
        Refused{"{% if x y %}{% endif %}", "line 1, column 9: found 'y', expected '%}'"},
        Refused{"{% for 1 in x %}{% endfor %}",
                "line 1, column 8: found '1', expected the name of a variable"},
        Refused{"{% %}", "line 1, column 4: found '%}', expected the name of a tag"},
        Refused{"{{ a ? b }}", "line 1, column 6: '?' is no token of a template"},
        Refused{"{{ ä }}", "line 1, column 4: 'ä' is no token of a template"},
        Refused{"{{ 1a }}", "line 1, column 4: a number is followed by 'a', expected an operator"},
        Refused{"{{ 007 }}", "line 1, column 4: the number 007 starts with 0"},
        Refused{"{{ 9223372036854775808 }}",
                "line 1, column 4: the number 9223372036854775808 is beyond 64 bits"},
        Refused{"{{ 1e999 }}", "line 1, column 4: the number 1e999 is too large"}));

TEST(CompileBounds, deepAndLongTemplates) {
  const auto repeat = [](const std::string &s, int n) {
    std::string out;
    while (n--)
      out += s;
    return out;
  };
  for (const std::string &text :
       {"{{ " + repeat("(", 9000) + repeat(")", 9000) + " }}", "{{ " + repeat("not ", 100000) + "x }}",
        "{{ " + repeat("-", 100000) + "x }}", "{{ " + repeat("[", 5000) + repeat("]", 5000) + " }}",
        repeat("{% if x %}", 20000), "{{ x" + repeat("|upper", 5000) + " }}",
        "{{ x" + repeat(".a", 5000) + " }}", "{{ 1" + repeat("+1", 5000) + " }}",
        "{% for " + repeat("(", 5000) + repeat(")", 5000) + " in x %}",
        "{% if x %}" + repeat("{% elif x %}", 5000) + "{% endif %}",
        "{{ a" + repeat(" if a else a", 3000) + " }}"})
    EXPECT_NE(refusal(text).find("nested"), std::string::npos) << refusal(text);
  EXPECT_NE(refusal(std::string((1 << 20) + 1, 'x')).find("1048577 bytes, expected at most 1048576"),
            std::string::npos);
  EXPECT_EQ(render(repeat("{{ 1 }}", 10000)), repeat("1", 10000));
  EXPECT_NE(refusal("a\xFFz").find("not UTF-8 at byte 1"), std::string::npos);
}

TEST(RunTime, messagesNameThePlace) {
  EXPECT_EQ(render("a\n {{ x.y }}"),
            "error: the chat template cannot render this: line 2, column 7: 'x' is undefined");
  EXPECT_EQ(render("{{ raise_exception('roles must alternate') }}"),
            "error: the chat template refuses this: roles must alternate");
  EXPECT_EQ(render("{{ 'a' + 1 }}"), "error: the chat template cannot render this: line 1, column 8: '+' has "
                                     "no meaning for a str and a int");
}

TEST(RunTime, nothingRunsAway) {
  rt::jinja::Limits small;
  small.steps = 100000;
  small.bytes = 1 << 20;
  small.text = 1 << 16;
  for (const char *text :
       {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s "
        "}}",
        "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}",
        "{{ 'x' * 99999999999 }}", "{{ [1] * 99999999999 }}", "{{ 2 ** 99999 }}",
        "{{ 'x'|indent(99999999) }}",
        "{% for i in range(9999) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ range(99999999) }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}"})
    EXPECT_EQ(render(text, Json::object(), small).compare(0, 6, "error:"), 0) << text;
}

/// The deepest input that is read is rendered: a macro that calls itself for each level, as published
/// templates do.
TEST(RunTime, deepInputIsRendered) {
  Json deep = 1;
  for (int i = 0; i < 90; ++i)
    deep = i % 2 ? Json{{"a", deep}} : Json::array({deep});
  const std::string text =
      render(slurp(std::string(GEMMAC_TEST_INPUTS) + "/goldens/a4b-tiny/chat_template.jinja"),
             {{"messages",
               {{{"role", "assistant"},
                 {"tool_calls", {{{"function", {{"name", "f"}, {"arguments", {{"x", deep}}}}}}}}}}}});
  EXPECT_EQ(std::count(text.begin(), text.end(), '['), 45) << text;
}

TEST(RunTime, inputThatIsNoConversation) {
  const std::string program = programOf("{{ messages }}");
  const rt::ChatTemplate chat({program.data(), program.size()}, {});
  const auto message = [&](const std::string &input) -> std::string {
    try {
      return chat.render(input, "stdin");
    } catch (const rt::Failure &f) {
      EXPECT_EQ(f.code, rt::kBadInput);
      return f.what();
    }
  };
  EXPECT_EQ(message("{"), "stdin: not JSON, or not UTF-8, at byte 2");
  EXPECT_EQ(message("\"\xFF\""), "stdin: not JSON, or not UTF-8, at byte 2");
  EXPECT_EQ(message(R"([1])"), R"(stdin: found a list, expected an object {"messages": [..]})");
  EXPECT_EQ(message("{}"), "stdin: messages: missing, expected a list of messages");
  EXPECT_EQ(message(R"({"messages": {}})"), "stdin: messages: found a dict, expected a list of messages");
  EXPECT_EQ(message(R"({"messages": [{}, 5]})"),
            R"(stdin: messages[1]: found a int, expected an object {"role": "..", "content": ".."})");
  EXPECT_EQ(message(R"({"messages": [], "tools": 5})"), "stdin: tools: found a int, expected a list");
  EXPECT_EQ(message(R"({"messages": [], "x": 5})"),
            "stdin: found 'x', expected messages, tools, documents or options");
  EXPECT_EQ(message(R"({"messages": [], "options": []})"),
            "stdin: options: found a list, expected an object");
  EXPECT_EQ(message(R"({"messages": [], "options": {"tools": []}})"),
            "stdin: options: found 'tools', which stands beside options");
  EXPECT_EQ(message(R"({"messages": )" + std::string(200, '[')), "stdin: nested deeper than 100 levels");
  EXPECT_EQ(message(R"({"messages": [], "tools": null})"), "[]");
}

} // namespace
} // namespace gemmac::test
