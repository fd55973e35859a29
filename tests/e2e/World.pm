# A small world for one scenario of the fault table: a directory, pvesim with a guest for each action, a broker against it, and a look at
# the guests' processes that asks nobody but /proc. It knows how these are started, ended and looked at, and nothing of what is expected.
package World;
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp ();
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);

use constant { LOOK_S => 0.01, START_S => 30, END_S => 20 };

our %VMID = (off => 101, reboot => 102, on => 103, status => 104);
our @ACTIONS = qw(off reboot on status);

sub now_ms { return int(1000 * clock_gettime(CLOCK_MONOTONIC)) }

# how long somebody on this machine has waited for a CPU or a disk; 0 where the kernel does not tell
sub stalled_ms {
    my $us = 0;
    $us += slurp("/proc/pressure/$_") =~ /^some .*total=(\d+)/ ? $1 : 0 for qw(cpu io);
    return int($us / 1000);
}

sub spit {
    my ($path, @lines) = @_;
    open(my $out, '>', $path) or die "$path: $!\n";
    print $out map { "$_\n" } @lines;
    close($out) or die "$path: $!\n";
}

sub append {
    my ($path, @lines) = @_;
    open(my $out, '>>', $path) or die "$path: $!\n";
    print $out map { "$_\n" } @lines;
    close($out) or die "$path: $!\n";
}

sub slurp {
    open(my $in, '<', $_[0]) or return '';
    local $/;
    return scalar(<$in>) // '';
}

# await(WHAT, SECONDS, CODE): until CODE is true
sub await {
    my ($what, $seconds, $code) = @_;
    my $end = now_ms() + 1000 * $seconds;
    until ($code->()) {
        die "waited in vain for: $what\n" if now_ms() > $end;
        sleep(LOOK_S);
    }
}

# World->new(build => DIR): the directory, removed by end(). clock => N: broker and clients live N times as fast; reads_ha => 1: may read HA's status
sub new {
    my ($class, %self) = @_;
    my $t = File::Temp::tempdir('fence-broker-table.XXXXXX', TMPDIR => 1);
    chmod 0755, $t;
    mkdir "$t/$_" or die "$t/$_: $!\n" for qw(sim run state);
    return bless { t => $t, sim => "$t/sim", socket => "$t/run/broker.sock", %self }, $class;
}

# In the background, output in LOG and LOG.err; it dies with this process.
sub spawn {
    my ($self, $log, @command) = @_;
    my $pid = fork() // die "fork: $!\n";
    return $pid if $pid;
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>', "$self->{t}/$log");
    open(STDERR, '>', "$self->{t}/$log.err");
    @ENV{qw(LD_PRELOAD SCALED_CLOCK)} = ("$self->{build}/scaled_clock.so", $self->{clock}) if $self->{clock} && $command[0] =~ /fence_broker/;
    exec 'setpriv', '--pdeathsig', 'KILL', '--', @command or POSIX::_exit(127);
}

# start_pvesim(SCALE, LINES of cluster.conf): as root@pam's token holder "fence@pve!broker" and the user "fence@pve" may power 101 to 104
sub start_pvesim {
    my ($self, $scale, @lines) = @_;
    my $sim = $self->{sim};
    spit("$sim/cluster.conf", @lines);
    spit("$sim/user.cfg", 'user:fence@pve:1:0::::::', 'token:fence@pve!broker:0:1::', 'pool:cluster::101,102,103,104::',
        'role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:', 'acl:1:/pool/cluster:fence@pve,fence@pve!broker:FenceBroker:');
    append("$sim/user.cfg", 'role:FenceBrokerHA:Sys.Audit:', 'acl:0:/:fence@pve,fence@pve!broker:FenceBrokerHA:') if $self->{reads_ha};
    spit("$sim/secrets", 'fence@pve table-password', 'fence@pve!broker table-secret');
    $self->{sim_pid} = $self->spawn('pvesim', "$self->{build}/pvesim", '--dir', $sim, '--scale', $scale);
    await('pvesim', START_S, sub { slurp("$self->{t}/pvesim") =~ /^pvesim: ready/m || waitpid($self->{sim_pid}, WNOHANG) });
    die "pvesim does not start: " . slurp("$self->{t}/pvesim.err") unless slurp("$self->{t}/pvesim") =~ /^pvesim: ready/m;
}

# start_broker(HASH of "section.key" => value): returns when it could fence
sub start_broker {
    my ($self, %given) = @_;
    my ($t, $sim) = @$self{qw(t sim)};
    my $login = delete $given{login} // 'token';
    my @endpoints = map { /^\S+ (\S+)$/ ? $1 : () } split /\n/, slurp("$sim/endpoints");
    my %keys = ('proxmox.ca-file' => "$sim/pve-root-ca.pem", 'proxmox.pool' => 'cluster', 'proxmox.secret-file' => "$t/secret",
        $login eq 'token' ? ('proxmox.token-id' => 'fence@pve!broker') : ('proxmox.user' => 'fence@pve'),
        'socket.path' => $self->{socket}, 'socket.metrics-path' => "$t/run/metrics.sock",
        'socket.group' => scalar getgrgid($)), 'state.directory' => "$t/state", %given);
    my %sections;
    for my $key (sort keys %keys) {
        my ($section, $name) = split /\./, $key, 2;
        push @{ $sections{$section} }, "$name = $keys{$key}";
    }
    push @{ $sections{proxmox} }, map { "endpoint = $_" } @endpoints;
    spit("$t/broker.conf", map { ("[$_]", @{ $sections{$_} }) } sort keys %sections);
    spit("$t/secret", $login eq 'token' ? 'table-secret' : 'table-password');
    chmod 0600, "$t/secret", "$t/broker.conf";
    $self->{broker_pid} = $self->spawn('broker', "$self->{build}/fence_brokerd", '-c', "$t/broker.conf");
    await('the broker', START_S, sub { $self->client_is_content || waitpid($self->{broker_pid}, WNOHANG) });
    die "the broker does not start: " . slurp("$t/broker.err") if life($self->{broker_pid}) eq '';
}

sub client_is_content {
    my ($self) = @_;
    return 0 unless -S $self->{socket};
    my $pid = $self->spawn('monitor', "$self->{build}/fence_broker", '-o', 'monitor', '--socket', $self->{socket});
    waitpid($pid, 0);
    return $? == 0;
}

# ctl(WORDS): pvesim's answer; dies if pvesim refuses
sub ctl {
    my ($self, $words) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => "$self->{sim}/control.sock") // die "pvesim's control socket: $!\n";
    print $socket "$words\n";
    local $/;
    my $answer = <$socket> // '';
    die "pvesim ctl $words: $answer" unless $answer =~ /^ok\b/;
    return $answer;
}

# calls(NAME): so many of that call pvesim has had
sub calls {
    my ($self, $name) = @_;
    my ($count) = $self->ctl('stats') =~ /^call \Q$name\E (\d+)$/m;
    return $count // 0;
}

# ---- the guests, as the kernel has them ----

# life(PID): when it was started, in the kernel's ticks; '' if it is dead, and a zombie is
sub life {
    my @fields = split ' ', slurp("/proc/$_[0]/stat") =~ s/^.*\) //r;
    return @fields > 19 && $fields[0] !~ /[ZX]/ ? $fields[19] : '';
}

# init(VMID): the pid of the guest's first process, a child of pvesim with the guest's name; undef if there is none
sub init {
    my ($self, $vmid) = @_;
    for my $child (map { split ' ', slurp($_) } glob("/proc/$self->{sim_pid}/task/*/children")) {
        return $child if slurp("/proc/$child/comm") eq "pvesim-$vmid\n" && life($child) ne '';
    }
    return undef;
}

# processes(VMID): { pid => life } of the guest's present life. Where pvesim may not make namespaces a guest is a session.
sub processes {
    my ($self, $vmid) = @_;
    my $init = $self->init($vmid) // return {};
    my $space = readlink("/proc/$init/ns/pid") // return {};    # it has just ended; others' cannot be read, either
    my $shared = $space eq readlink('/proc/self/ns/pid');
    my %found;
    for my $pid (map { m{(\d+)$} } glob('/proc/[0-9]*')) {
        my $life = life($pid);
        next if $life eq '';
        my $mine = $shared ? (split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //r)[3] == $init
            : (readlink("/proc/$pid/ns/pid") // '') eq $space;
        $found{$pid} = $life if $mine;
    }
    return \%found;
}

# payload(VMID): likewise, of what is replaced by a reset: everything but QEMU itself
sub payload {
    my ($self, $vmid) = @_;
    my %all = %{ $self->processes($vmid) };
    delete $all{ $self->init($vmid) // 0 };
    return \%all;
}

# alive(PROCESSES): those that live still
sub alive {
    my ($processes) = @_;
    return grep { life($_) eq $processes->{$_} } sort { $a <=> $b } keys %$processes;
}

# ---- the end ----

# stop_broker(): as systemd does; its exit status, -1 if it had to be killed
sub stop_broker {
    my ($self) = @_;
    my $pid = delete $self->{broker_pid} // return 0;
    kill 'TERM', $pid;
    my $end = now_ms() + 1000 * END_S;
    while (waitpid($pid, WNOHANG) == 0) {
        if (now_ms() > $end) {
            kill 'KILL', $pid;
            waitpid($pid, 0);
            return -1;
        }
        sleep(LOOK_S);
    }
    return $?;
}

sub end {
    my ($self) = @_;
    for my $pid (grep { defined } delete @$self{qw(broker_pid sim_pid)}) {
        kill 'KILL', $pid;
        waitpid($pid, 0);
    }
    remove_tree($self->{t});
}

1;
