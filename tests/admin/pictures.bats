#!/usr/bin/env bats
# The pictures of the documentation: each is shown, and shows what the texts and the dashboard have that it was made of (else: make
# pictures). Nothing runs here: tests/pictures/make draws them from real runs.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    SCREENS=doc/screens
}

# words_of: standard input without what differs from run to run, a word a line: a terminal breaks lines elsewhere than a manual page
words_of() { tests/screens --form | tr -s ' \n' '\n\n'; }
# of_the_manual COMMAND: its screen in the manual page
of_the_manual() {
    sed -n "/^# fence_broker $1\$/,/^\.EE/p" man/fence-broker-screens.7 |
        sed -e '/^\.EE/d' -e 's/^\\&//' -e 's/\\-/-/g' -e "s/\\\\(aq/'/g" -e 's/\\(ga/`/g' -e 's/\\e/\\/g'
}
# texts CLASS PICTURE: what stands in it in this class
texts() { sed -nE "s,.*<text [^>]*class=\"$1\"[^>]*>([^<]*)</text>.*,\\1,p" "$2" | sed 's/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'; }

@test "every picture is shown in doc/screens/README.md, and every picture that is named is there" {
    diff <(grep -ohE '\]\([^)]*\.svg\)' "$SCREENS/README.md" | tr -d '])(' | sort) <(cd "$SCREENS" && printf '%s\n' *.svg)
    for picture in $(grep -ohE 'doc/screens/[A-Za-z0-9._-]+\.(svg|txt|md)' README.md CHANGELOG doc/*.md doc/runbooks/*.md man/*.[0-9]); do
        [[ -s $picture ]] || { echo "named, and not there: $picture" >&2; false; }
    done
    xmllint --noout "$SCREENS"/*.svg
}

@test "systemctl status looks as it was recorded" {
    local picture
    for picture in systemd-status:1 systemd-endpoint-down:3; do
        diff <(awk -v wanted="${picture#*:}" '/^# / { n++ } n == wanted' "$SCREENS/systemd.txt" | sed '$d') \
            <(tests/pictures/terminal --text <"$SCREENS/${picture%:*}.svg")
    done
}

@test "the commands' pictures show the screens of the manual" {
    for word in status targets; do
        of_the_manual $word | words_of >"$BATS_TEST_TMPDIR/manual"
        grep -q fence_broker "$BATS_TEST_TMPDIR/manual"
        diff "$BATS_TEST_TMPDIR/manual" <(tests/pictures/terminal --text <"$SCREENS/$word.svg" | words_of)
        # in colour, as on a terminal
        grep -q ' fill="#[0-9a-f]*">blocked<' "$SCREENS/$word.svg"
    done
}

@test "the dashboard's pictures have its rows and panels, all of them and no others, and say that they are not Grafana" {
    for picture in "$SCREENS"/panels-*.svg; do
        texts row "$picture"
        texts title "$picture"
        grep -q 'This is not Grafana\.<' "$picture"
    done | sort >"$BATS_TEST_TMPDIR/drawn"
    perl -CO -MJSON::PP -0777 -ne 'print "$_->{title}\n" for @{ JSON::PP->new->utf8->decode($_)->{panels} }' conf/grafana/fence-broker.json |
        sort | diff - "$BATS_TEST_TMPDIR/drawn"
}
