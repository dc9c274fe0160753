# SPDX-License-Identifier: Apache-2.0
"""The rules of a C source that refuse something, found by its syntax alone, and the same source
with each of them able to be taken out. Used by tools/mutate.py.

A function refuses when it names a result that refuses, or the result that stands for none (DONE).
In such a function a rule is one of:

  guard    if (A || B) return X;     X is not DONE: a result, a call, what a call gave. A block that
           if (A) { ...; return X; } ends so, and one that ends in `result = X;`, too. Each
           alternative of the condition is a rule of its own: taken out, it is false.
  step     if (result == DONE) ...   what is looked at when nothing was refused yet: not looked at.
  choice   A ? DONE : X              in a return, an assignment, a variable's first value: the arm
                                     that refuses gives way to the other one. Of two arms that
                                     refuse each gives way once.
  word     return X;                 behind no guard (the end of a function, a case of a switch),
           return A ? X : Y;         a choice between refusals alone, and every other place that
           f(X);                     names a refusal without comparing with it: DONE instead.
  part     if (A && B) return X;     that without which more would be refused: each operand, and of
           if (A && (B || C)) ...;   alternatives in brackets what stands beside them. Taken out, it
                                     is true.

Some functions say by a truth value whether something is refused: HOLDING ones by false, REFUSING
ones by true. In the first `if (A || B) return false;` is a guard and each operand of `return A &&
B;` a guard too, taken out as true; in the second those of `if (A || B) return true;` and `return A
|| B;` are, taken out as false.

A condition that looks at a status of reading (STATUS_OK) is none: what the environment fails in
refuses nothing, and no reply is made of it.

What a condition does (it may fill in what a refusal tells) is done all the same. So no name of a
refusal is passed over, whatever it stands in."""
import glob
import re

DESCRIPTIONS = "src/modules/*.def", "src/modules/*/*.def", "src/ledger/ledger.def"
RESULT = re.compile(r"^\s*RESULT\((\w+),\s*(\w+)", re.M)
DONES = {"MODULE": "MODULE_DONE", "CREATE_ACCOUNT": "CREATE_ACCOUNT_CREATED",
         "CREATE_TRANSFER": "CREATE_TRANSFER_CREATED"}
HOLDING = {"cell_fits", "compat_decode", "constraints_hold", "control_holds", "effects_fit",
           "ledger_cell_takes", "ledger_has_room", "ledger_has_room_for_limits",
           "ledger_terms_fit", "plan_fits", "sub_ledgers_have_room", "sub_ledgers_prepare",
           "trailer_valid"}
REFUSING = {"commit_holds_up", "exceeds_credits", "exceeds_debits", "is_refused",
            "machine_is_overridden", "member_is_refused", "principal_is_closed",
            "timestamp_is_taken"}
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                     r"|^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.S | re.M)
CLOSING = {"(": ")", "{": "}", "[": "]"}


def names():
    """The results of all descriptions that refuse."""
    found = set()
    for path in (path for pattern in DESCRIPTIONS for path in glob.glob(pattern)):
        with open(path, encoding="utf-8") as file:
            found |= {f"{a}_{b}" for a, b in RESULT.findall(file.read())}
    return found - set(DONES.values())


def deciding_lines(text, refusing):
    """The numbers of the lines of functions that refuse commands: those that name a refusal or
    DONE and return such, without those that answer questions (they have an answer to fill in)."""
    blank = blanked(text)
    word = re.compile(r"\b(?:%s)\b" % "|".join(sorted(refusing | set(DONES.values()))))
    numbers = set()
    for begin, end in functions(blank):
        head = blank[max(blank.rfind(";", 0, begin), blank.rfind("}", 0, begin)) + 1:begin]
        if (word.search(blank, begin, end) and re.search(r"\b(?:u32|enum create_\w+)\s+\w+\(", head)
                and "module_answer" not in head + blank[begin:end]):
            numbers |= set(range(text.count("\n", 0, begin) + 1, text.count("\n", 0, end) + 2))
    return numbers


def blanked(text):
    """The text with comments, strings and directives as spaces, every character in its place."""
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def closing(text, place):
    """Where the bracket at a place is closed."""
    depth = 0
    for i in range(place, len(text)):
        if text[i] in "({[":
            depth += 1
        elif text[i] in ")}]":
            depth -= 1
            if depth == 0:
                return i
    raise ValueError(f"no closing bracket for the one at {place}")


def opening_of(text, place):
    """Where the bracket that is closed at a place is opened."""
    depth = 0
    for i in range(place, -1, -1):
        depth += (text[i] in ")}]") - (text[i] in "({[")
        if depth == 0:
            return i
    raise ValueError(f"no opening bracket for the one at {place}")


def find_flat(text, begin, end, word):
    """Where `word` first stands outside of brackets; -1 when nowhere."""
    i = begin
    while i < end:
        if text.startswith(word, i):
            return i
        i = closing(text, i) + 1 if text[i] in CLOSING else i + 1
    return -1


def split_flat(text, begin, end, word):
    """The spans between the places of `word` outside of brackets."""
    spans = []
    while True:
        place = find_flat(text, begin, end, word)
        spans.append((begin, end if place < 0 else place))
        if place < 0:
            return spans
        begin = place + len(word)


def trimmed(text, begin, end):
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end


def skip_space(text, place):
    return trimmed(text, place, len(text))[0]


def functions(text):
    """Spans of the bodies of functions: outermost blocks behind a closing parenthesis."""
    place = 0
    while place < len(text):
        if text[place] == "{":
            end = closing(text, place)
            if text[:place].rstrip().endswith(")"):
                yield place, end
            place = end
        place += 1


def statements(text, begin, end):
    """Spans of the statements of a block, roughly: at `;` and behind nested blocks."""
    start = i = begin
    while i < end:
        if text[i] == "{":
            i = closing(text, i)
            yield start, i + 1
            start = i + 1
        elif text[i] in "([":
            i = closing(text, i)
        elif text[i] == ";":
            yield start, i
            start = i + 1
        i += 1


class Rule:
    """A place that can be taken out: what stands before it and behind it in the changed source."""

    def __init__(self, kind, begin, end, before, behind):
        self.kind, self.begin, self.end = kind, begin, end
        self.before, self.behind = before, behind
        self.number = self.line = 0
        self.path = self.text = ""
        self.is_equivalent = False


class Finder:
    """The rules of one source. `names` are the results that refuse."""

    def __init__(self, text, names):
        self.source = text
        self.text = blanked(text)
        self.names = re.compile(r"\b(?:%s)\b" % "|".join(sorted(names, key=len, reverse=True)))
        self.dones = re.compile(r"\b(?:%s)\b" % "|".join(DONES.values()))
        self.rules = []
        self.taken = []    # Spans of which the names are taken.
        self.guarded = []  # Places of statements that a guard stands before.

    def has_name(self, begin, end):
        return self.names.search(self.text, begin, end) is not None

    def is_done(self, begin, end):
        begin, end = trimmed(self.text, begin, end)
        return self.dones.fullmatch(self.text, begin, end) is not None

    def add(self, kind, span, before, behind):
        begin, end = trimmed(self.text, *span)
        self.rules.append(Rule(kind, begin, end, before, behind))

    def refuses(self, begin, end):
        """Whether a statement gives, assigns or passes what is or may be a refusal."""
        begin, end = trimmed(self.text, begin, end)
        match = re.compile(r"return\b").match(self.text, begin, end)
        if match:
            begin, end = trimmed(self.text, match.end(), end)
            return (begin < end and not self.is_done(begin, end) and
                    self.text[begin:end] not in ("true", "false", "0", "NULL"))
        match = re.compile(r"[\w\s*]*[\w\]>.-]+\s*=(?!=)|\w+\(").match(self.text, begin, end)
        return match is not None and self.has_name(match.end(), end)

    def alternatives(self, begin, end):
        """Spans of the parts of a condition each of which refuses by itself: those between `||`, in
        brackets and behind `&&` too."""
        begin, end = trimmed(self.text, begin, end)
        spans = split_flat(self.text, begin, end, "||")
        if len(spans) > 1:
            return [part for span in spans for part in self.alternatives(*span)]
        for part in split_flat(self.text, begin, end, "&&"):
            inner = trimmed(self.text, *part)
            match = re.compile(r"(?:UN)?(?:LIKELY)?\(").match(self.text, *inner)
            if match and closing(self.text, match.end() - 1) == inner[1] - 1:
                parts = self.alternatives(match.end(), inner[1] - 1)
                if len(parts) > 1:
                    return parts
        return [(begin, end)]

    def parts(self, begin, end):
        """Spans of the operands without each of which a condition would hold more often."""
        begin, end = trimmed(self.text, begin, end)
        spans = split_flat(self.text, begin, end, "||")
        if len(spans) > 1:
            return [part for span in spans for part in self.parts(*span)]
        spans = split_flat(self.text, begin, end, "&&")
        if len(spans) == 1:
            match = re.compile(r"(?:UN)?(?:LIKELY)?\(").match(self.text, begin, end)
            if match and closing(self.text, match.end() - 1) == end - 1:
                return self.parts(match.end(), end - 1)
            return []
        return spans + [part for span in spans for part in self.parts(*span)]

    def body_of(self, place):
        """The statement of what an `if` guards that refuses: its span; None when none does."""
        if self.text[place] == "{":
            spans = list(statements(self.text, place + 1, closing(self.text, place)))
            refusing = [span for span in spans if self.refuses(*span)]
            return refusing[-1] if refusing else None
        if re.compile(r"(if|for|while|switch|else)\b").match(self.text, place):
            return None
        span = place, find_flat(self.text, place, len(self.text), ";")
        return span if self.refuses(*span) else None

    def ifs(self, begin, end):
        for match in re.compile(r"\bif\s*\(").finditer(self.text, begin, end):
            opening = match.end() - 1
            close = closing(self.text, opening)
            condition = opening + 1, close
            last = self.body_of(skip_space(self.text, close + 1))
            is_step = re.search(r"==\s*(?:%s)\b" % "|".join(DONES.values()),
                                self.text[condition[0]:condition[1]])
            if last is None and not is_step:
                continue
            for span in self.alternatives(*condition):
                if re.search(r"\bSTATUS_OK\b", self.text[span[0]:span[1]]):
                    continue
                self.add("guard" if last else "step", span, "mutant_rule(%d, ", ")")
            if last:
                self.guarded.append(trimmed(self.text, *last)[0])
                self.taken.append(last)
                self.parts_add(condition)

    def parts_add(self, condition):
        for span in self.parts(*condition):
            if not re.search(r"\bSTATUS_OK\b", self.text[span[0]:span[1]]):
                self.add("part", span, "(!mutant_rule(%d, !(", ")))")

    def truths(self, begin, end, holds):
        """Rules of a function that tells by false (it holds) or by true that it refuses."""
        refusal = "false" if holds else "true"
        for match in re.compile(r"\bif\s*\(").finditer(self.text, begin, end):
            opening = match.end() - 1
            close = closing(self.text, opening)
            if re.compile(r"\s*\{?\s*return %s;" % refusal).match(self.text, close + 1):
                for span in self.alternatives(opening + 1, close):
                    self.add("guard", span, "mutant_rule(%d, ", ")")
                self.parts_add((opening + 1, close))
        for match in re.compile(r"\breturn\b").finditer(self.text, begin, end):
            span = trimmed(self.text, match.end(), find_flat(self.text, match.end(), end, ";"))
            if self.text[span[0]:span[1]] in ("true", "false"):
                continue
            if holds:
                for part in split_flat(self.text, *span, "&&"):
                    self.add("guard", part, "(!mutant_rule(%d, !(", ")))")
            else:
                for part in self.alternatives(*span):
                    self.add("guard", part, "mutant_rule(%d, ", ")")
                self.parts_add(span)

    def choices(self, begin, end):
        """The choices of a value; whether one of its arms is done."""
        question = find_flat(self.text, begin, end, "?")
        if question < 0:
            return self.is_done(begin, end) or not self.has_name(begin, end)
        depth, colon = 0, question + 1
        while depth > 0 or self.text[colon] != ":":
            if self.text[colon] in CLOSING:
                colon = closing(self.text, colon)
            depth += {"?": 1, ":": -1}.get(self.text[colon], 0)
            colon += 1
        arms = (question + 1, colon), (colon + 1, end)
        done = [self.is_done(*arm) for arm in arms]
        if re.search(r"==\s*(?:%s)\b" % "|".join(DONES.values()), self.text[begin:question]):
            self.add("step", (begin, question), "mutant_rule(%d, ", ")")
            return True
        if not any(done) and not any(self.has_name(*arm) for arm in arms):
            return True
        if not done[0] and find_flat(self.text, *arms[0], "?") < 0:
            self.add("choice", (begin, question), "mutant_rule(%d, ", ")")
        if not done[1] and find_flat(self.text, *arms[1], "?") < 0:
            self.add("choice", (begin, question), "!mutant_rule(%d, !(", "))")
        self.taken.append((begin, end))
        sides = [self.choices(*arm) for arm in arms]
        return any(sides)

    def values(self, begin, end):
        """Choices, and words without a guard, of the values that a function gives or assigns."""
        pattern = re.compile(r"\breturn\b|(?<![=!<>+*/%&|^-])=(?!=)")
        for match in pattern.finditer(self.text, begin, end):
            stop = min((place for place in (find_flat(self.text, match.end(), end, mark)
                                            for mark in ";,})") if place >= 0), default=end)
            is_return = match.group() == "return"
            if is_return:
                stop = find_flat(self.text, match.end(), end, ";")
            span = trimmed(self.text, match.end(), stop)
            if not self.has_name(*span) and not self.dones.search(self.text, *span):
                continue
            if "{" in self.text[span[0]:span[1]]:
                continue  # Of its members each is looked at.
            start = match.start()
            while not is_return and start > begin and self.text[start - 1] not in ";{})":
                start -= 1
            start = trimmed(self.text, start, stop)[0]
            is_guarded = start in self.guarded
            has_done = self.choices(*span)
            if has_done or is_guarded:
                continue
            self.add_word(span)

    def add_word(self, span):
        name = self.names.search(self.text, *span).group()
        done = next((done for prefix, done in DONES.items() if name.startswith(prefix + "_")),
                    "MODULE_DONE")
        self.add("word", span, "(mutant_rule(%d, true) ? (", f") : {done})")
        self.taken.append(span)

    def find(self):
        """The rules, in the order of the source."""
        for begin, end in functions(self.text):
            head = self.text[:begin].rstrip()
            name = re.search(r"(\w*)\s*$", head[:opening_of(head, len(head) - 1)]).group(1)
            if name in HOLDING or name in REFUSING:
                self.truths(begin, end, name in HOLDING)
                continue
            if self.has_name(begin, end) or self.dones.search(self.text, begin, end):
                self.ifs(begin, end)
                self.values(begin, end)
                compared = re.compile(r"(?:[=!<>]=|\bcase)\s*$")
                for match in self.names.finditer(self.text, begin, end):
                    if compared.search(self.text, begin, match.start()):
                        continue
                    if not any(a <= match.start() < b for a, b in self.taken):
                        self.add_word(match.span())
        self.rules.sort(key=lambda rule: (rule.begin, -rule.end))
        return self.rules


def changed(source, rules):
    """The source with every rule able to be taken out, each by its number; lines stay in place."""
    marks = []
    for order, rule in enumerate(rules):
        before = rule.before % rule.number
        marks.append((rule.begin, 1, -rule.end, order, before))
        marks.append((rule.end, 0, -rule.begin, -order, rule.behind))
    out, done = [], 0
    for place, *_, text in sorted(marks):
        out += [source[done:place], text]
        done = place
    return "".join(out) + source[done:]
