# The deliberate bugs: those of daemon/fence/step.c are in fence/step.bugs beside this, and so on. Each one breaks a promise, a point of
# the off-proof or a rule of doc/design.md, or an access rule, and the tests of step and engine (or the room's own) must fail with it.
#
# A block: what is broken and how; a test program beside those of step and engine that is to see it, if the room has its own; what
# stands there (-), once in the file, white space does not matter; what stands there instead (+, nothing: it is taken out). A bug that
# changes nothing anybody could see does not belong here. Paths count from the project's top.
package Bugs;
use strict;
use warnings;
use File::Find;

my $DIR = 'tests/mutations';

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    local $/;
    return <$in>;
}

sub read_list {
    my ($list) = @_;
    my ( @mutations, $line );
    my ($room) = $list =~ m{^$DIR/(.*)\.bugs$};
    for ( split /\n/, slurp($list) ) {
        $line++;
        next if /^#/ || /^\s*$/;
        if    (/^(\S.*)$/)                 { push @mutations, { name => $1, file => "daemon/$room.c" } }
        elsif (m{^  tests/unit/(\w+)\.c$}) { $mutations[-1]{test} = $1 }
        elsif (/^  - (.+)$/)               { $mutations[-1]{old} = $1 }
        elsif (/^  \+ ?(.*)$/)             { $mutations[-1]{new} = $1 }
        else                               { die "$list:$line: what is this? $_\n" }
    }
    for (@mutations) {
        die "$list: \"$_->{name}\" is not whole\n" unless defined $_->{old} && defined $_->{new};
    }
    return @mutations;
}

# The blocks of all lists, each {name, file, test (or none), old, new}.
sub blocks {
    my @lists;
    find( { wanted => sub { push @lists, $_ if /\.bugs$/ }, no_chdir => 1 }, $DIR );
    return map { read_list($_) } sort @lists;
}

# The file with the bug in it; undef with the reason where it has no place for it.
sub mutate {
    my ($mutation) = @_;
    my $text    = slurp( $mutation->{file} );
    my $pattern = join '\s+', map { quotemeta } split ' ', $mutation->{old};
    my $places  = () = $text =~ /$pattern/g;
    return ( undef, "stands $places times in $mutation->{file}, not once: $mutation->{old}" ) if $places != 1;
    $text =~ s/$pattern/$mutation->{new}/;
    return ( $text, undef );
}

1;
