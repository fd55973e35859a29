# The deliberate bugs of the file "list" beside this one, whose head says what a block is. Paths count from the project's top.
package Bugs;
use strict;
use warnings;

my $LIST = 'tests/mutations/list';

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    local $/;
    return <$in>;
}

# The blocks, each {name, file, test (or none), old, new}.
sub blocks {
    my ( @mutations, $line );
    for ( split /\n/, slurp($LIST) ) {
        $line++;
        next if /^#/ || /^\s*$/;
        if    (/^(\S.*)$/)                 { push @mutations, { name => $1 } }
        elsif (/^  (daemon\S+)$/)          { $mutations[-1]{file} = $1 }
        elsif (m{^  tests/unit/(\w+)\.c$}) { $mutations[-1]{test} = $1 }
        elsif (/^  - (.+)$/)               { $mutations[-1]{old} = $1 }
        elsif (/^  \+ ?(.*)$/)             { $mutations[-1]{new} = $1 }
        else                               { die "$LIST:$line: what is this? $_\n" }
    }
    for (@mutations) {
        die "$LIST: \"$_->{name}\" is not whole\n" unless defined $_->{file} && defined $_->{old} && defined $_->{new};
    }
    return @mutations;
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
