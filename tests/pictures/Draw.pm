# How a row of the dashboard's panels looks as an SVG picture: tiles, bars, tables, bands over time and charts, in Grafana's grid. Pure: it is
# given the panels with their series and gives text; it asks nobody.
package Draw;
use strict;
use warnings;
use utf8;
use List::Util qw(max min);
use POSIX qw(ceil floor strftime);

# pixels: the grid's cells, the gap between panels, what is above and below them
use constant { CELL => 50, ROW => 38, GAP => 8, HEAD => 34, FOOT => 24, TITLE => 26, AXIS => 18, LEGEND => 15 };
use constant LETTER => 6.3; # a letter of 11 pixels, roughly
my %named = ( green => '#2e7d32', red => '#c62828', orange => '#ef6c00', blue => '#1565c0' );
my @palette = map { "#$_" } qw(1565c0 ef6c00 2e7d32 c62828 6a1b9a 00838f ad1457 827717 4e342e 546e7a);
my %kinds = (
    stat => \&tiles, bargauge => \&gauges, table => \&table, 'state-timeline' => \&bands, timeseries => \&chart,
);
our ( $start, $end );

# row ROW, START, END: the picture
sub row {
    ( my $row, $start, $end ) = @_;
    my $cells = max map { $_->{gridPos}{y} - $row->{top} + $_->{gridPos}{h} } @{ $row->{panels} };
    my ( $width, $height ) = ( 24 * CELL + GAP, HEAD + $cells * ROW + GAP + FOOT );
    my $panels = join '', map { panel( $_, $row->{top} ) } @{ $row->{panels} };
    my $small = sprintf 'Drawn by tests/pictures/panels (make pictures) from the answers of a real Prometheus that scraped a real fence_brokerd '
        . 'against the simulated Proxmox VE, %s to %s UTC. This is not Grafana.', when( $start, '%Y-%m-%d %H:%M:%S' ), when($end);
    return <<"SVG";
<svg xmlns="http://www.w3.org/2000/svg" width="$width" height="$height" viewBox="0 0 $width $height" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11" fill="#24292f">
<title>@{[ escaped( $row->{title} ) ]}</title>
<rect width="$width" height="$height" fill="#eef1f4"/>
@{[ text( 12, 23, $row->{title}, 'font-size="16" font-weight="bold" class="row"' ) ]}$panels@{[ text( 12, $height - 9, $small, 'font-size="10" fill="#57606a"' ) ]}</svg>
SVG
}

# panel PANEL, TOP: its frame and title, and inside what its kind draws
sub panel {
    my ( $panel, $top ) = @_;
    my $at = $panel->{gridPos};
    my %box = (
        x => $at->{x} * CELL + GAP, y => HEAD + ( $at->{y} - $top ) * ROW,
        w => $at->{w} * CELL - GAP, h => $at->{h} * ROW - GAP,
    );
    my $unit = unit_name($panel);
    my $size = sprintf '%.1f', min( 12.5, ( $box{w} - 20 ) / ( 0.61 * length $panel->{title} ) );
    my $room = $box{w} - 20 - 0.7 * $size * length( $panel->{title} ) > LETTER * length $unit;
    my $frame = rect( @box{qw(x y w h)}, '#ffffff', 'rx="4" stroke="#d0d7de"' )
        . text( $box{x} + 10, $box{y} + 18, $panel->{title}, qq{font-size="$size" font-weight="bold" class="title"} )
        . ( $unit && $room ? text( $box{x} + $box{w} - 10, $box{y} + 18, $unit, 'text-anchor="end" font-size="10" fill="#57606a"' ) : '' );
    my %inside = ( x => $box{x} + 10, y => $box{y} + TITLE, w => $box{w} - 20, h => $box{h} - TITLE - 8 );
    my $kind = $kinds{ $panel->{type} } or die "panels of the kind $panel->{type} are not drawn: $panel->{title}\n";
    return $frame . $kind->( $panel, \%inside );
}

# ---- the kinds ----

sub tiles {
    my ( $panel, $in ) = @_;
    my @series = @{ $panel->{series} };
    my $width = $in->{w} / @series;
    my $named = $panel->{options}{textMode} ne 'value';
    my $out = '';
    for my $i ( 0 .. $#series ) {
        my ( $x, $value ) = ( $in->{x} + $i * $width, $series[$i]{points}[-1][1] );
        my $middle = $x + $width / 2 - 3;
        $out .= rect( $x, $in->{y}, $width - 6, $in->{h}, threshold( $panel, $value ), 'rx="4"' );
        $out .= text( $middle, $in->{y} + 18, $series[$i]{legend}, 'text-anchor="middle" font-size="12" fill="#ffffff"' ) if $named;
        $out .= text( $middle, $in->{y} + $in->{h} / 2 + ( $named ? 18 : 11 ), number( $panel, $value ),
            'text-anchor="middle" font-size="28" font-weight="bold" fill="#ffffff"' );
    }
    return $out;
}

sub gauges {
    my ( $panel, $in ) = @_;
    my @series = sort { $a->{legend} cmp $b->{legend} } @{ $panel->{series} };
    my $most = max( map { $_->{points}[-1][1] } @series ) || 1;
    my $names = 12 + LETTER * max map { length $_->{legend} } @series;
    my $height = min( 40, $in->{h} / @series );
    my $out = '';
    for my $i ( 0 .. $#series ) {
        my ( $y, $value ) = ( $in->{y} + $i * $height, $series[$i]{points}[-1][1] );
        my $whole = $in->{w} - $names - 60;
        my $middle = $y + $height / 2 + 4;
        $out .= text( $in->{x}, $middle, $series[$i]{legend} ) . rect( $in->{x} + $names, $y + 4, $whole, $height - 8, '#e6e9ec' );
        $out .= rect( $in->{x} + $names, $y + 4, $whole * $value / $most, $height - 8, threshold( $panel, $value ) ) if $value > 0;
        $out .= text( $in->{x} + $names + $whole + 8, $middle, number( $panel, $value ), 'font-weight="bold"' );
    }
    return $out;
}

sub table {
    my ( $panel, $in ) = @_;
    my ($organized) = map { $_->{options} } grep { $_->{id} eq 'organize' } @{ $panel->{transformations} };
    my %labels = map { $_ => 1 } map { keys %{ $_->{labels} } } @{ $panel->{series} };
    my @names = sort keys %labels;
    my @head = ( @names, $organized->{renameByName}{Value} // 'Value' );
    my $by = $panel->{options}{sortBy} ? sub { $_[1]{points}[-1][1] <=> $_[0]{points}[-1][1] } : sub { order( $_[0] ) cmp order( $_[1] ) };
    my @lines;
    for my $one ( sort { $by->( $a, $b ) } @{ $panel->{series} } ) {
        push @lines, [ ( map { $one->{labels}{$_} // '' } @names ), number( $panel, $one->{points}[-1][1] ) ];
    }
    my $fit = floor( $in->{h} / 20 ) - 1;
    die "the table \"$panel->{title}\" has more lines than fit\n" if @lines > $fit;
    my $width = $in->{w} / @head;
    my $out = '';
    for my $column ( 0 .. $#head ) {
        $out .= text( $in->{x} + $column * $width, $in->{y} + 14, $head[$column], 'font-weight="bold" fill="#57606a"' );
        $out .= text( $in->{x} + $column * $width, $in->{y} + 34 + 20 * $_, $lines[$_][$column] ) for 0 .. $#lines;
    }
    return $out . join '', map { line( $in->{x}, $in->{y} + 20 * $_, $in->{x} + $in->{w}, $in->{y} + 20 * $_, '#d0d7de' ) } 1 .. @lines;
}

sub bands {
    my ( $panel, $in ) = @_;
    my @series = sort { $a->{legend} cmp $b->{legend} } @{ $panel->{series} };
    my %words = map { %{ $_->{options} } } @{ $panel->{fieldConfig}{defaults}{mappings} };
    my $names = 12 + LETTER * max map { length $_->{legend} } @series;
    my $above = $names > 0.4 * $in->{w} ? 15 : 0; # long names stand above their bands
    $names = 20 if $above;
    my %plot = ( x => $in->{x} + $names, y => $in->{y}, w => $in->{w} - $names - 26, h => $in->{h} - AXIS - LEGEND );
    my $height = min( 48, $plot{h} / @series );
    $plot{h} = $height * @series;
    my $out = '';
    for my $i ( 0 .. $#series ) {
        my ( $y, @points ) = ( $plot{y} + $i * $height, @{ $series[$i]{points} } );
        $out .= $above ? text( $plot{x}, $y + $above - 1, $series[$i]{legend} ) : text( $in->{x}, $y + $height / 2 + 4, $series[$i]{legend} );
        while ( defined( my $first = shift @points ) ) {
            my $last = $first;
            $last = shift @points while @points && $points[0][1] == $first->[1] && $points[0][0] - $last->[0] < 2;
            my $until = @points && $points[0][0] - $last->[0] < 2 ? $points[0][0] : $last->[0];
            my $word = $words{ $first->[1] } or die "no word for $first->[1] in the panel \"$panel->{title}\"\n";
            my $x = along( \%plot, $first->[0] );
            $out .= rect( $x, $y + $above + 3, along( \%plot, $until ) - $x, $height - $above - 6, $named{ $word->{color} } );
        }
    }
    my @legend = map { [ $named{ $words{$_}{color} }, $words{$_}{text} ] } sort keys %words;
    return $out . time_axis( \%plot ) . legends( $in->{x} + $names, $plot{y} + $plot{h} + AXIS + LEGEND - 2, $in->{w}, @legend );
}

sub chart {
    my ( $panel, $in ) = @_;
    my $custom = $panel->{fieldConfig}{defaults}{custom} // {};
    my $bars = ( $custom->{drawStyle} // 'line' ) eq 'bars';
    my ( @shown, @legend, $zero );
    for my $one ( sort { $a->{legend} cmp $b->{legend} } @{ $panel->{series} } ) {
        if ( @{ $panel->{series} } > 3 && !grep { $_->[1] != 0 } @{ $one->{points} } ) {
            $zero++;
            next;
        }
        push @shown, { %$one, colour => $palette[ @shown % @palette ] };
        push @legend, [ $shown[-1]{colour}, $one->{legend} ];
    }
    push @legend, [ '', "and $zero that stayed 0" ] if $zero;
    my $lines = legend_lines( $in->{w}, @legend );
    my %plot = ( x => $in->{x} + 52, y => $in->{y} + 6, w => $in->{w} - 78, h => $in->{h} - 6 - AXIS - LEGEND * $lines );
    my $stacks = stacked( $bars, @shown );
    my ( $step, $top ) = scale( $panel, max( 0, map { $_->[2] } map { @$_ } @$stacks ), $plot{h} );
    my $height = sub { $plot{y} + $plot{h} * ( 1 - $_[0] / $top ) };
    my $out = '';
    for ( my $value = 0 ; $value <= $top * 1.0001 ; $value += $step ) {
        my $y = $height->($value);
        $out .= line( $plot{x}, $y, $plot{x} + $plot{w}, $y, '#e6e9ec' )
            . text( $plot{x} - 6, $y + 4, number( $panel, $value ), 'text-anchor="end" font-size="10" fill="#57606a"' );
    }
    for my $i ( 0 .. $#shown ) {
        $out .= $bars ? columns( \%plot, $height, $stacks->[$i], $shown[$i]{colour} ) : curve( \%plot, $height, $stacks->[$i], $shown[$i]{colour} );
    }
    return $out . time_axis( \%plot ) . legends( $in->{x}, $plot{y} + $plot{h} + AXIS + LEGEND - 3, $in->{w}, @legend );
}

# stacked BARS, SERIES…: for each the points [time, from, to]; bars stand on each other
sub stacked {
    my ( $bars, @series ) = @_;
    my %sum;
    return [
        map {
            [ map { my $from = $bars ? $sum{ $_->[0] } // 0 : 0; $sum{ $_->[0] } = $from + $_->[1]; [ $_->[0], $from, $from + $_->[1] ] } @{ $_->{points} } ]
        } @series
    ];
}

sub columns {
    my ( $plot, $height, $points, $colour ) = @_;
    my $width = $plot->{w} * 5 / ( $end - $start ) * 0.7;
    my $out = '';
    for my $point ( grep { $_->[2] > $_->[1] } @$points ) {
        my ( $x, $y ) = ( along( $plot, $point->[0] ) - $width, $height->( $point->[2] ) );
        $x = $plot->{x} if $x < $plot->{x};
        $out .= rect( $x, $y, along( $plot, $point->[0] ) - $x, $height->( $point->[1] ) - $y, $colour );
    }
    return $out;
}

sub curve {
    my ( $plot, $height, $points, $colour ) = @_;
    my ( $path, $before ) = ('');
    for my $point (@$points) {
        $path .= sprintf '%s%.1f %.1f', defined $before && $point->[0] - $before < 2 ? 'L' : 'M', along( $plot, $point->[0] ), $height->( $point->[2] );
        $before = $point->[0];
    }
    return qq{<path d="$path" fill="none" stroke="$colour" stroke-width="1.8" stroke-linecap="round"/>\n};
}

# ---- axes and legends ----

sub along { my ( $plot, $time ) = @_; return $plot->{x} + $plot->{w} * ( $time - $start ) / ( $end - $start ) }

sub time_axis {
    my ($plot) = @_;
    my ($step) = grep { $plot->{w} * $_ / ( $end - $start ) >= 75 } 5, 10, 15, 20, 30, 60, 120, 300, 600;
    my $bottom = $plot->{y} + $plot->{h};
    my $out = line( $plot->{x}, $bottom, $plot->{x} + $plot->{w}, $bottom, '#57606a' );
    for ( my $time = $step * ceil( $start / $step ) ; $time <= $end ; $time += $step ) {
        my $x = along( $plot, $time );
        $out .= line( $x, $bottom, $x, $bottom + 4, '#57606a' ) . text( $x, $bottom + 14, when($time), 'text-anchor="middle" font-size="10" fill="#57606a"' );
    }
    return $out;
}

# scale PANEL, MOST, HEIGHT: the step between the lines of a chart, and its top
sub scale {
    my ( $panel, $most, $height ) = @_;
    my $whole = ( $panel->{fieldConfig}{defaults}{unit} // '' ) =~ /^(?:none|short)$/;
    my $unit = ( $panel->{fieldConfig}{defaults}{unit} // '' ) eq 'bytes' ? 1024 * 1024 : 1;
    $most = max( $most / $unit, $whole || $unit > 1 ? 1 : 0.001 );
    my $step = 10**floor( log( $most / max( 1, floor( $height / 32 ) ) ) / log 10 );
    my ($times) = grep { $step * $_ * floor( $height / 24 ) >= $most } 1, 2, 5, 10, 20, 50;
    $step *= $times;
    $step = ceil($step) if $whole;
    return ( $step * $unit, $step * $unit * ceil( $most / $step - 0.0001 ) );
}

# legends X, Y, WIDTH, [colour, text]…: in as many lines as it takes
sub legends {
    my ( $left, $y, $width, @entries ) = @_;
    my ( $x, $out ) = ( $left, '' );
    for my $entry (@entries) {
        my $wide = wide($entry);
        ( $x, $y ) = ( $left, $y + LEGEND ) if $x > $left && $x + $wide > $left + $width;
        $out .= rect( $x, $y - 8, 9, 9, $entry->[0] ) if $entry->[0];
        $out .= text( $x + ( $entry->[0] ? 13 : 0 ), $y, $entry->[1], 'font-size="10"' );
        $x += $wide;
    }
    return $out;
}

sub legend_lines {
    my ( $width, @entries ) = @_;
    my ( $x, $lines ) = ( 0, 1 );
    for my $wide ( map { wide($_) } @entries ) {
        ( $x, $lines ) = ( 0, $lines + 1 ) if $x > 0 && $x + $wide > $width;
        $x += $wide;
    }
    return $lines;
}
sub wide { my ($entry) = @_; return 28 + 6.1 * length $entry->[1] }

# ---- numbers, colours, and SVG's elements ----

sub when { my ( $time, $form ) = @_; return strftime( $form // '%H:%M:%S', gmtime $time ) }

my %units = ( s => 'duration', reqps => 'requests per second', bytes => 'bytes' );
sub unit_name { my ($panel) = @_; return $units{ $panel->{fieldConfig}{defaults}{unit} // '' } // '' }

# number PANEL, VALUE: with its unit
sub number {
    my ( $panel, $value ) = @_;
    my $unit = $panel->{fieldConfig}{defaults}{unit} // '';
    return short( $value * 100 ) . ' %' if $unit eq 'percentunit';
    return duration($value) if $unit eq 's';
    return duration( $end - $value / 1000 ) . ' ago' if $unit eq 'dateTimeFromNow';
    return short( $value / 1024 / 1024 ) . ' MiB' if $unit eq 'bytes';
    return short($value);
}

sub duration {
    my ($seconds) = @_;
    return '0 s' if $seconds == 0;
    return short( $seconds * 1000 ) . ' ms' if $seconds < 1;
    return short($seconds) . ' s' if $seconds < 120;
    return short( $seconds / 60 ) . ' min' if $seconds < 7200;
    return short( $seconds / 3600 ) . ' h' if $seconds < 172800;
    return floor( $seconds / 86400 ) . ' d';
}
sub short { my ($value) = @_; return sprintf( $value >= 100 ? '%.0f' : '%.3g', $value ) + 0 }

sub threshold {
    my ( $panel, $value ) = @_;
    my $colour;
    for my $step ( @{ $panel->{fieldConfig}{defaults}{thresholds}{steps} } ) {
        $colour = $step->{color} if !defined $step->{value} || $value >= $step->{value};
    }
    return $named{$colour} // die "no such colour: $colour\n";
}
sub order { my ($one) = @_; return join ' ', map { $one->{labels}{$_} } sort keys %{ $one->{labels} } }

sub rect {
    my ( $x, $y, $w, $h, $colour, $more ) = @_;
    return sprintf qq{<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"%s/>\n}, $x, $y, $w, $h, $colour, $more ? " $more" : '';
}
sub line { return sprintf qq{<path d="M%.1f %.1fL%.1f %.1f" stroke="%s"/>\n}, @_ }

sub text {
    my ( $x, $y, $text, $more ) = @_;
    return sprintf qq{<text x="%.1f" y="%.1f"%s>%s</text>\n}, $x, $y, $more ? " $more" : '', escaped($text);
}

sub escaped {
    my ($text) = @_;
    return $text =~ s/&/&amp;/gr =~ s/</&lt;/gr =~ s/>/&gt;/gr =~ s/"/&quot;/gr;
}
1;
