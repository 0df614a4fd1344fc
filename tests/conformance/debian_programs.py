"""Programs of Debian that nobody here wrote, each busy for about a second: what they are started with.

Half of a program's input comes after it was looked at. Scripts ask for a look by `sync_point NAME PID`. Everything is in
the folder where a program starts, sockets too: no ports.
"""
import dataclasses
import os
import shutil

SCRIPT_HEAD = """set -u
export PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/sbin:$PATH
sync_point() { echo "$1 $2" > ../sync; read -r _ < ../go; }
until_there() { until [ -e "$1" ]; do kill -0 "$2" 2> /dev/null || return; done; }
"""


@dataclasses.dataclass
class Program:
    name: str
    argv: list
    stdin: tuple = ()
    # One process that computes: the time that the agent adds is judged there, and only printed where the program is a
    # few dozen short processes, to each of which the agent is loaded.
    steady: bool = False
    # Nobody can serve: the program is started with privileges that its caller lacks, or the agent's not loaded.
    unserved: str = ""
    needs: tuple = ()   # files that must be there
    quick: bool = False  # in the short form, which only has what every build of this repository installs


def script(text):
    return ["bash", "-c", SCRIPT_HEAD + text]


def lines(word, first, second):
    return ("".join("%s%d\n" % (word, i) for i in range(first)), "".join("%s%d\n" % (word, i) for i in range(second)))


AS_USER = "setpriv --reuid=nobody --regid=nogroup --clear-groups --" if os.geteuid() == 0 else "env"

PERL = r"""
use strict; use Digest::MD5 'md5_hex'; $| = 1; my %words;
while (my $line = <STDIN>) {
  for my $i (1 .. 6000) { my $key = md5_hex($line . $i % 500); $words{substr($key, 0, 4)} .= 'x'; $key =~ s/[a-f]+/-/g }
  print scalar(keys %words), ' ', length(join '', values %words), "\n";
}
print STDERR "the end\n"; exit 3;
"""

PYTHON = r"""
import hashlib, json, mmap, subprocess, sys, threading
def work(text, results):
    rows = [{'key': i % 97, 'text': text * 3, 'number': i / 7} for i in range(9000)]
    results.append(hashlib.sha256(json.dumps(json.loads(json.dumps(rows))).encode()).hexdigest())
for line in sys.stdin:
    results = []
    threads = [threading.Thread(target=work, args=(line, results)) for i in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(sorted(set(results)), subprocess.run(['expr', '1', '+', '1'], stdout=subprocess.PIPE).stdout, flush=True)
raise SystemExit('out of input')
"""

NODE = r"""
const crypto = require('crypto'), {Worker} = require('worker_threads');
require('readline').createInterface({input: process.stdin}).on('line', line => {
  let text = line;
  for (let i = 0; i < 50000; i++) text = crypto.createHash('sha1').update(text).digest('hex');
  console.log(text, JSON.stringify([...Array(50000).keys()].map(i => ({i}))).length);
}).on('close', () => new Worker('console.log("worker", 6 * 7)', {eval: true}).on('exit', code => process.exit(code + 5)));
"""

RUBY = r"""
require 'digest'; $stdout.sync = true
while line = gets
  table = Hash.new { |hash, key| hash[key] = [] }
  20000.times { |i| table[Digest::MD5.hexdigest(line + (i % 300).to_s)[0, 3]] << i.to_s * 3 }
  puts "#{table.size} #{table.values.flatten.join.size}"
end
exit 4
"""

PHP = r"""
while (($line = fgets(STDIN)) !== false) {
  $table = [];
  for ($i = 0; $i < 80000; $i++) $table[md5($line . $i % 500)][] = str_repeat('x', $i % 50);
  echo count($table), ' ', strlen(serialize($table)), "\n";
}
exit(6);
"""

LUA = r"""
for line in io.lines() do
  local t, n = {}, 0
  for i = 1, 120000 do t[i % 5000] = (line .. i):rep(2):upper() end
  for _, text in pairs(t) do n = n + #text end
  print(n) io.flush()
end
os.exit(2)
"""

TCL = r"""
fconfigure stdout -buffering line
while {[gets stdin line] >= 0} {
  for {set i 0} {$i < 250000} {incr i} { set table([expr {$i % 4000}]) [string repeat $line$i 3] }
  puts [string length [array get table]]
}
"""

GAWK = r"""
{ for (i = 0; i < 40000; i++) { key = substr($0 i * 7919, 1, 5); count[key] = count[key] "x"; gsub(/1+/, "2", key); if (i % 2000 == 0) delete count }
  n = 0; for (key in count) n += length(count[key]); print NR, n; fflush() }
END { "date -u -d @0" | getline day; print day; exit 7 }
"""

SHELL = r"""
trap 'echo hang-up' HUP; trap 'echo left $?' EXIT
total=0; i=0; while [ $i -lt 25000 ]; do total=$(( (total * 31 + i) % 65521 )); i=$((i + 1)); done; echo $total
for name in a b c d e f g h; do echo $name | sed s/$name/x$name/ | tr a-z A-Z > file-$name; done
kill -HUP $$; (exit 3); echo $?
(i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done) & wait $!
ls | sort -r | xargs echo
"""

SQL = ("create table t(a integer primary key, b text, c blob);\n"
       "with recursive n(i) as (select 1 union all select i + 1 from n where i < 120000) insert into t select i, hex(i * 7919), zeroblob(i % 300) from n;\n"
       "create index t_b on t(b);\nselect count(*), sum(length(c)), max(b) from t;\n",
       "select b, count(*) from t group by substr(b, 1, 2) order by 2 desc, 1 limit 5;\nselect nonsense;\n"
       "delete from t where a % 3 = 0; vacuum; select count(*) from t;\n")

REDIS = r"""
redis-server --port 0 --unixsocket s --save '' --daemonize no --pidfile '' --dir . --logfile log & server=$!
until_there s $server; until [ "$(redis-cli -s s ping)" = PONG ]; do :; done
redis-cli -s s debug populate 20000 key 100 > /dev/null; redis-cli -s s dbsize
for i in $(seq 12); do redis-cli -s s eval 'local n = 0 for i = 1, 500000 do n = n + i % 7 end redis.call("set", KEYS[1], n) return n' 1 total; done
sync_point redis $server
redis-cli -s s save; redis-cli -s s nonsense; redis-cli -s s eval 'return redis.sha1hex(redis.call("get", "total"))' 0
redis-cli -s s shutdown nosave; wait $server; echo "server $?"
"""

POSTGRES = r"""
mkdir data run; chmod 700 data; %s bash -c '
  initdb --no-sync -D data -U owner -A trust --no-locale > initdb.log; echo initdb $?
  postgres -D data -k "$PWD/run" -h "" -c fsync=off -c autovacuum=off 2> server.log & server=$!
  until psql -h "$PWD/run" -U owner -qAtc "select 1" postgres > /dev/null 2>&1; do kill -0 $server || exit; done
  export PGHOST=$PWD/run PGUSER=owner PGDATABASE=postgres
  pgbench -i -q -s 1 > /dev/null 2>&1; echo pgbench $?
  psql -qAtc "select sum(hashtext(i::text)::bigint), count(*) from generate_series(1, 500000) i"
  echo "postgres $server" > ../sync; read -r _ < ../go
  pgbench -n -c 2 -t 300 | grep -v "^pgbench\|^latency\|^initial\|^tps"; echo pgbench ${PIPESTATUS[0]}
  psql -qAtc "select count(*) from pgbench_history; select 1 / 0"; echo psql $?
  kill -INT $server; wait $server; echo server $?'; echo $?; rm -rf data
""".replace("%s", "chown nobody data run .; " + AS_USER if os.geteuid() == 0 else AS_USER)

GIT = r"""
export GIT_AUTHOR_DATE='@1 +0000' GIT_COMMITTER_DATE='@1 +0000' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a
git init -q -b main tree; cd tree || exit
for i in $(seq 20); do seq $i $((i * 300)) > file-$((i % 7)); git add .; git commit -qm "change $i"; done
git log --format=%h --shortstat | md5sum; git gc -q --aggressive; git fsck --strict; git checkout -q -b side HEAD~5
git merge -q main; git log -p main | md5sum; git clone -q . ../copy; cd ../copy && git rev-parse HEAD; git show nonsense; echo $?
"""

MAKE = r"""
for i in 1 2 3 4; do { echo "#include <stdlib.h>"; echo "#include <stdio.h>"; echo "#include <string.h>"
  for j in $(seq 50); do echo "int f_${i}_$j(int x) { char *p = malloc(x); memset(p, x, x); int r = p[x / 2] * $j; free(p); return r + printf(\"%d\", x); }"; done; } > part$i.c; done
echo 'int main(void) { return 42; }' > main.c
printf 'parts := $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\nprogram: $(parts)\n\t@$(CC) -o $@ $^\n%%.o: %%.c\n\t@$(CC) -O2 -c -o $@ $<\nfails:\n\tfalse\n' > Makefile
make -j2 program; ./program; echo $?; make fails; echo $?; make -q program; echo $?
"""

CPP = r"""
cat > program.cpp <<'END'
#include <algorithm>
#include <map>
#include <functional>
#include <string>
#include <vector>
int main(int n, char** words) {
  std::map<std::string, std::vector<std::string>> table;
  for (int i = 0; i < n; ++i) if (std::function<bool(int)>([](int x) { return x > 0; })(i)) table[words[i]].push_back(words[i]);
  return static_cast<int>(table.size());
}
END
g++ -std=c++17 -O1 -Wall program.cpp -o program; echo $?; ./program b a b; echo $?
echo 'int main() { return nonsense; }' > wrong.cpp; g++ wrong.cpp; echo $?
"""

CMAKE = r"""
printf 'cmake_minimum_required(VERSION 3.20)\nproject(p C)\nadd_executable(p p.c)\nenable_testing()\nadd_test(NAME t COMMAND p)\n' > CMakeLists.txt
echo 'int main(void) { return 0; }' > p.c; cmake -B b . > log; echo $?; cmake --build b > build.log; echo $?; cd b; ctest | grep tests
"""

FILES = r"""
mkdir -p tree; for i in $(seq 200); do seq $i $((i + 150)) > tree/f$i; done
find tree -type f -name '*7' -print0 | sort -z | xargs -0 sha256sum | md5sum
cat tree/f* | sort -n --parallel=2 -S 2M | uniq -c | sort -k1,1nr -k2,2n | sed -E 's/^ +([0-9]+) +/\1:/' | head -n 5
for i in 1; do cat tree/f* | sed -E 's/([0-9])([0-9])/\2\1/g' | grep -c 42; done
tar --sort=name --mtime=@0 --owner=0 --group=0 -czf tree.tar.gz tree; tar -tzf tree.tar.gz | wc -l; gzip -dc tree.tar.gz | md5sum
cp -r tree copy; diff -r tree copy; echo $?; rm tree/f1; diff -rq tree copy; ls nowhere; echo $?
sync_point shell $$; comm -3 <(ls tree) <(ls copy); seq 50000 | sort -R --random-source=tree/f2 | sort -n | tail -n 1; exit 5
"""

COMPRESS = r"""
for i in 1 2 3; do seq -f "%.0f and $i" 1 60000; done > text; COMMAND OPTIONS -c text > packed; md5sum < packed; cat packed | COMMAND -dc | cmp - text; echo $?; rm text
"""


def compress(command, options):
    return COMPRESS.replace("COMMAND", command).replace("OPTIONS", options)


SSH = r"""
ssh-keygen -q -t rsa -b 2048 -N '' -C who -f rsa; ssh-keygen -q -t ed25519 -N '' -C who -f key; seq 200000 > text
for i in 1 2 3; do ssh-keygen -q -Y sign -f key -n file text; echo "who $(cat key.pub)" > signers; ssh-keygen -Y verify -f signers -I who -n file -s text.sig < text | cut -d: -f1; rm text.sig; done
ssh-keygen -lf nowhere; echo $?
ssh-agent bash -c 'ssh-add -q key rsa; ssh-add -l | cut -d" " -f1,3,4; echo $?'; echo $?
"""

OPENSSL = r"""
openssl speed -seconds 1 -bytes 1024 sha256 2>&1 | grep -v "^\(options\|compiler\|CPUINFO\)"; openssl dgst -sha256 < /bin/bash | cut -c 1-10
openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x 2> /dev/null; openssl verify -CAfile c c; openssl nonsense; echo $?
"""

NGINX = r"""
mkdir -p logs site tmp; seq 100000 > site/big; echo small > site/small
cat > nginx.conf <<END
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/logs/error notice; %s
events { worker_connections 64; }
http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  gzip on; gzip_types *; gzip_comp_level 9; server { listen unix:$PWD/s; location / { root $PWD/site; } } }
END
nginx -p . -e logs/error -c "$PWD/nginx.conf" & server=$!; until_there pid $server
for i in $(seq 12); do curl -s --compressed --unix-socket s http://x/big | md5sum; done | sort -u; curl -s --unix-socket s http://x/nowhere
sync_point nginx $server
kill -HUP $server; for i in $(seq 10); do curl -s --compressed --unix-socket s http://x/small; done
kill -QUIT $server; wait $server; echo "server $?"; rm -rf logs
""".replace("%s", "user nobody nogroup;" if os.geteuid() == 0 else "")

LIGHTTPD = r"""
mkdir site; seq 100000 > site/big
cat > conf <<END
server.document-root = "$PWD/site"
server.bind = "$PWD/s"
server.pid-file = "$PWD/pid"
server.errorlog = "$PWD/log"
mimetype.assign = ("" => "text/plain")
END
lighttpd -D -f conf & server=$!; until_there s $server
for i in $(seq 60); do curl -s --unix-socket s http://x/big; done | md5sum; curl -s -o /dev/null -w '%{http_code}\n' --unix-socket s http://x/nowhere
sync_point lighttpd $server; kill -TERM $server; wait $server; echo "server $?"; rm log
"""

MEMCACHED = r"""
memcached -u nobody -U 0 -s "$PWD/s" -a 777 -m 64 -t 2 & server=$!; until_there s $server
perl -MIO::Socket::UNIX -MSocket -e '
  my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => "s") or die "no server: $!"; my ($n, $reply);
  for my $i (1 .. 12000) { my $v = "v" x ($i % 900); print $s "set k$i 0 0 " . length($v) . "\r\n$v\r\n"; $s->flush; $reply = <$s>; $n++ if $reply =~ /STORED/ }
  print $s "get k77\r\n"; $s->flush; $reply = <$s>; print "$n $reply"'
sync_point memcached $server; kill -TERM $server; wait $server; echo "server $?"
"""

DAEMONS = r"""
memcached -d -u nobody -U 0 -s "$PWD/s" -P "$PWD/pid" -m 64 -t 2; echo "started $?"; until [ -s pid ]; do :; done
start-stop-daemon --start --background --make-pidfile --pidfile "$PWD/other" --startas /bin/bash -- -c "i=0; while [ \$i -lt 150000 ]; do i=\$((i+1)); done; echo > $PWD/started; exec sleep 60"
until [ -e started ]; do sleep 0.05; done; sync_point memcached "$(cat pid)"; sync_point background "$(cat other)"
kill "$(cat other)"; echo $?; kill "$(cat pid)"; echo $?; rm -f pid other
"""

WRAPPERS = r"""
env A=1 nice -n 3 setsid --wait timeout 30 stdbuf -oL bash -c 'i=0; while [ $i -lt 150000 ]; do i=$((i + 1)); done; exec env -u A nice sh -c "i=0; while [ \$i -lt 150000 ]; do i=\$((i + 1)); done; exec perl -e \"for (1 .. 4000000) { \\\$x += \\\$_ } exec q(sh), q(-c), q(exit 9)\""'; echo $?
timeout -s INT 1 perl -e 'for (;;) { $x = "x" x 1000 }'; echo $?
seq 12 | xargs -P 2 -n 3 sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo $# | tee -a out' > /dev/null; cat out
flock lock nohup chrt --other 0 taskset -c 0 ionice -c 3 sh -c 'echo $0 $PPID | wc -w' 2>&1; prlimit --nofile=10 sh -c 'ulimit -n'; unshare -n sh -c 'echo no network'
"""

GPG = r"""
export GNUPGHOME=$PWD/g; mkdir -m 700 g; seq 100000 > text
gpg -q --batch --s2k-count 65536 --pinentry-mode loopback --passphrase '' --quick-gen-key who@x ed25519 sign never 2> /dev/null; echo $?
for i in $(seq 25); do gpg -q --batch --yes --pinentry-mode loopback --passphrase '' -o signed -s text; gpg -q --verify signed 2>&1 | grep -c Good; done
gpg -d text 2>&1 | tail -n 1
gpgconf --kill gpg-agent; rm -rf g
"""

GDB = r"""
printf '#include <stdlib.h>\nint f(int n) { return n == 0 ? 7 : f(n - 1); }\nint main(void) { for (int i = 0; i < 20; i++) free(malloc(i)); return f(5); }\n' > p.c; gcc -g -O0 p.c -o p
for i in 1; do gdb -nx -q -batch -ex 'set startup-with-shell off' -ex 'unset environment LD_PRELOAD' -ex 'break f if n == 2' -ex run -ex bt -ex 'info registers rip' -ex 'python print(6 * 7)' -ex kill ./p 2>&1 | grep -v '^rip'; done
gdb -nx -q -batch -ex 'python
n = 0
for i in range(1500000): n += i % 7
print(n)' 2>&1
"""

VALGRIND = r"""
printf '#include <stdlib.h>\n#include <string.h>\nint main(int n, char **a) { char *kept = malloc(100); strcpy(kept, a[0]); for (int i = 0; i < 300000; i++) { free(malloc(i %% 500)); } return kept[99] == 1 ? 2 : 3; }\n' > p.c; gcc -g -O0 p.c -o p
valgrind -q --error-exitcode=9 ./p 2>&1 | sed -E 's/==[0-9]+==/==/; s/0x[0-9A-F]+/ADDRESS/'; echo ${PIPESTATUS[0]}
valgrind -q --tool=none sort p.c | md5sum
"""

RSYNC = r"""
mkdir -p from; for i in $(seq 100); do seq $i 3000 > from/f$i; done; rsync -a --checksum from/ to/; echo $?; seq 5000 > from/f7; touch -d @0 from/f7; rm from/f9
rsync -ai --delete --checksum from/ to/ | sort; diff -r from to; echo $?; rsync -a --bwlimit=12000 --whole-file from/ again/; rsync -a nowhere to; echo $?
"""

JAVA = r"""
java -Xmx64m -version 2>&1 | head -n 1
keytool -J-XX:TieredStopAtLevel=1 -genkeypair -alias a -keyalg RSA -keysize 2048 -dname CN=x -storepass secret -keystore store 2> /dev/null; echo $?
keytool -list -storepass wrong -keystore store; echo $?
"""

CHROMIUM = r"""
chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --user-data-dir="$PWD/profile" --virtual-time-budget=500 --dump-dom \
  'data:text/html,<p id=p></p><script>let n = 0; for (let i = 0; i < 5e7; i++) n = (n * 31 + i) % 65521; p.textContent = n</script>' 2> /dev/null; echo $?; rm -rf profile
"""


PROGRAMS = [
    Program("perl", ["perl", "-e", PERL], lines("line ", 24, 6), steady=True, quick=True),
    Program("python3", ["/usr/bin/python3", "-c", PYTHON], lines("line ", 6, 1), steady=True, quick=True),
    Program("bash", ["bash"], (SHELL * 2, SHELL + "exec perl -e 'for (1 .. 3000000) { $x += $_ } exit 5'\n"), quick=True),
    Program("sh", ["sh"], (SHELL * 3, SHELL)),
    Program("busybox sh", ["busybox", "sh"], (SHELL * 3, SHELL)),
    Program("sqlite3", ["sqlite3", "file.db"], SQL, steady=True, quick=True),
    Program("node", ["node", "-e", NODE], lines("line ", 5, 1)),
    Program("ruby", ["ruby", "-e", RUBY], lines("line ", 8, 2), steady=True),
    Program("php", ["php", "-r", PHP], lines("line ", 10, 2), steady=True),
    Program("lua5.4", ["lua5.4", "-e", LUA], lines("line ", 4, 1), steady=True),
    Program("tclsh", ["bash", "-c", 'exec tclsh <(printf %s "$0")', TCL], lines("line", 3, 1)),
    Program("gawk", ["gawk", GAWK], lines("line ", 16, 3), steady=True),
    Program("bc", ["bc", "-l"], ("scale=900; a(1) * 4\n" * 2 + "e(1)\n", "1 / 0\n2 ^ 5000 % 1000007\n")),
    Program("jq", ["jq", "-c", "[range(35000) as $i | {k: ($i % 97 | tostring), v: $i}] | group_by(.k) | map({(.[0].k): map(.v) | add}) | add | length"],
            ("1 2 ", "3")),
    Program("files", script(FILES), quick=True),
    Program("xz", script(compress("xz", "-T2 --block-size=2MiB -4"))),
    Program("zstd and bzip2", script(compress("zstd", "-q -T2 -12") + compress("bzip2", ""))),
    Program("openssl", script(OPENSSL)),
    Program("ssh-keygen", script(SSH)),
    Program("gpg", script(GPG)),
    Program("git", script(GIT)),
    Program("make -j2", script(MAKE)),
    Program("g++", script(CPP)),
    Program("cmake", script(CMAKE)),
    Program("rsync", script(RSYNC)),
    Program("redis-server", script(REDIS), quick=True),
    Program("postgres", script(POSTGRES)),
    Program("nginx", script(NGINX)),
    Program("lighttpd", script(LIGHTTPD)),
    Program("memcached", script(MEMCACHED)),
    Program("daemons", script(DAEMONS)),
    Program("wrappers", script(WRAPPERS)),
    Program("gdb", script(GDB)),
    Program("valgrind", script(VALGRIND)),
    Program("java", script(JAVA)),
    Program("chromium", script(CHROMIUM)),
]


def missing_command(program):
    """The command that is not installed, or None."""
    word = {"files": "sort", "zstd and bzip2": "zstd", "daemons": "memcached", "wrappers": "setpriv", "postgres": "psql"}.get(
        program.name, program.name.split()[0])
    return None if shutil.which(word, path=os.environ["PATH"] + ":/usr/sbin:/sbin") else word
