"""Shell commands from a description: rows of tldr pages, and own rows whose names and numbers are copied into the command."""

import re
from functools import lru_cache

import wordings as W

from .text import chance, first_upper, held_out_text, invented, lines, pick, read, rows, single, split

PAGES = set(W.COMMON_COMMANDS) | set("""
alias ab ar at bash bc bg bzip2 cmp column comm cron csplit dd dig dirs dmesg expand expr factor fd fg fmt fold free fuser g++ gcc gdb getent git-add git-apply git-blame
git-cherry-pick git-config git-fetch git-grep git-mv git-rebase git-remote git-restore git-revert git-rm git-show git-submodule git-switch git-tag git-clean git-worktree
go gpg groups groupadd gunzip halt host hostname hostnamectl htop id ifconfig ip iostat java jobs join jq killall last less locate logger logout look lscpu lsblk lsof lsusb
make man mkfifo mktemp more mount mv nano nc netstat nice nl node nohup nproc nslookup od openssl parallel paste patch pgrep pip3 pkill poweroff printenv printf ps pstree
python python3 pv rar readlink reboot realpath rename renice rev rg route ruby sed seq service set sftp shred shuf shutdown sqlite3 ss split ssh-keygen ssh-copy-id strings
stat strace stty sync sysctl tac tail tee telnet test time timedatectl timeout tmux touch traceroute tree truncate tty type ulimit umount unalias uniq unset unxz unzip uptime
useradd userdel usermod vi vim vmstat w watch wc whatis whereis who xz yes yum dnf zcat zip brew docker-compose docker-pull docker-start docker-network docker-volume
kubectl kubectl-get kubectl-logs kubectl-apply npm-install yarn pytest black cargo-build cargo-test ffmpeg convert rsync screen sha1sum base64 cksum chgrp lsattr
""".split())

ASK = lines("""
Give me the shell command to {t}.
Write a shell command: {t}
{t}. Answer with the shell command only.
What is the command line for this task? {t}
Shell command to {t}:
How do I {t} in the terminal? Command only.
Turn this into a shell command: {t}
Command for "{t}"?
Linux command to {t}
bash: {t}
How can I {t} in bash?
Which command can {t}?
{t} (shell command)
I want to {t}. Which command?
Terminal command: {t}
Translate to a shell command: {t}
Task: {t}\\nCommand:
On Linux, how do you {t}?
Give only the command: {t}
One-line shell command please: {t}
Show me the command to {t}.
Reply with just the command to {t}.
""")
SYSTEM = lines("""
You turn descriptions into shell commands. Output only the command.
Answer with one shell command.
You are a Linux shell helper. Reply with the command only.
Translate each request into a bash command.
Give the shell command, no explanation.
Return one command line for each task.
""")

# phrasings || command; slots are copied
OWN = rows("""
list all files, even hidden ones / show hidden files too / list everything including dot files / see all files with the hidden ones / display all the files in this folder, hidden too || ls -a
list files with details / show a long listing of the files / list files with size and owner / see the files in long format / display file details || ls -l
list the files in {d} / show what is in {d} / see the content of the folder {d} / display the files in the directory {d} / what files are in {d} || ls {d}
list files in {d} with details / show a long listing of {d} / see sizes and owners of the files in {d} / long listing of the folder {d} || ls -l {d}
list files sorted by size / show the largest files first / order the listing by file size / list the files, biggest first || ls -lS
list files by time, newest first / show the newest files first / sort the listing by date / list the most recent files at the top || ls -lt
go to the folder {d} / change into the directory {d} / enter {d} / move into the folder {d} / switch to the directory {d} / open the folder {d} in the terminal || cd {d}
go up one folder / move to the parent directory / change to the folder above / leave this folder for the one above || cd ..
go to the home directory / change to my home folder / return to my home directory / jump home || cd ~
go back to the previous directory / return to the last folder I was in / switch back to the former directory || cd -
print the current directory / show where I am / display the path of this folder / what is the current folder / show the working directory || pwd
create a folder named {d} / make a directory called {d} / make a new folder {d} / create the directory {d} / add a folder {d} || mkdir {d}
create the nested folders {d}/{g} / make the directory {d}/{g} with its parents / create {d}/{g} including missing parent folders / make the path {d}/{g} || mkdir -p {d}/{g}
create an empty file called {f} / make an empty file {f} / create the file {f} / add a new empty file named {f} / update the time stamp of {f} || touch {f}
copy {f} to {d} / copy the file {f} into the folder {d} / put a copy of {f} in {d} / duplicate {f} into {d} || cp {f} {d}/
copy {f} to {h} / make a copy of {f} named {h} / duplicate {f} as {h} / copy the file {f} under the name {h} / save a copy of {f} as {h} || cp {f} {h}
copy the folder {d} to {g} / copy {d} with everything in it to {g} / duplicate the directory {d} as {g} / recursively copy {d} to {g} || cp -r {d} {g}
move {f} to {d} / move the file {f} into the folder {d} / put {f} into {d} / shift {f} to the directory {d} || mv {f} {d}/
rename {f} to {h} / change the name of {f} to {h} / give {f} the new name {h} / call the file {f} {h} instead || mv {f} {h}
rename the folder {d} to {g} / change the name of the directory {d} to {g} / give the folder {d} the new name {g} || mv {d} {g}
delete {f} / remove the file {f} / erase {f} / get rid of {f} / delete the file named {f} || rm {f}
delete the folder {d} / remove the directory {d} and all its content / delete {d} with everything in it / erase the folder {d} recursively || rm -r {d}
delete the empty folder {d} / remove the empty directory {d} / erase the directory {d} if it is empty || rmdir {d}
delete all {e} files here / remove every {e} file in this folder / erase all files ending in .{e} / get rid of the .{e} files in the current directory || rm *.{e}
delete {f} and ask before / remove {f} with a question first / confirm before deleting {f} || rm -i {f}
show {f} / print the content of {f} / display the file {f} / show what is in the file {f} / output {f} || cat {f}
show {f} with line numbers / print {f} and number the lines / display {f} with numbered lines || cat -n {f}
join {f} and {h} into {k} / concatenate {f} and {h} to the file {k} / merge {f} and {h} into one file {k} || cat {f} {h} > {k}
show the first {n} lines of {f} / print the top {n} lines of {f} / display the first {n} lines in {f} / see the beginning of {f}, {n} lines / get the first {n} lines of the file {f} || head -n {n} {f}
show the last {n} lines of {f} / print the final {n} lines of {f} / display the bottom {n} lines of {f} / see the end of {f}, {n} lines / get the last {n} lines of the file {f} || tail -n {n} {f}
follow the file {f} / watch {f} as it grows / show new lines of {f} as they come / keep printing what is added to {f} || tail -f {f}
read {f} page by page / open {f} in a pager / scroll through {f} / view {f} one screen at a time || less {f}
count the lines in {f} / how many lines does {f} have / number of lines of {f} / tell me the line count of {f} / count lines of the file {f} || wc -l {f}
count the words in {f} / how many words does {f} have / number of words of {f} / word count of {f} || wc -w {f}
count the characters in {f} / how many bytes does {f} have / number of bytes of {f} / byte count of {f} || wc -c {f}
count the files in {d} / how many files are in {d} / number of entries in the folder {d} || ls {d} | wc -l
sort {f} / sort the lines of {f} / put the lines of {f} in order / order the lines in {f} alphabetically || sort {f}
sort {f} in reverse / sort the lines of {f} backwards / order {f} from z to a || sort -r {f}
sort {f} by number / sort the lines of {f} numerically / order the numbers in {f} || sort -n {f}
sort {f} and drop duplicates / sort {f} with unique lines only / remove repeated lines from {f} / show the distinct lines of {f} || sort -u {f}
search for {p} in {f} / find {p} in the file {f} / show lines with {p} in {f} / look for the text {p} in {f} / find lines containing {p} in {f} / print the lines of {f} that contain {p} || grep "{p}" {f}
search for {p} in {f} ignoring case / find {p} in {f}, upper or lower case / case-insensitive search for {p} in {f} / look for {p} in {f} without caring about case || grep -i "{p}" {f}
search for {p} in all files in {d} / find {p} in every file under {d} / look through the folder {d} for {p} / recursively search {d} for the text {p} / search {d} for {p} || grep -r "{p}" {d}
show lines without {p} in {f} / print the lines of {f} that do not contain {p} / exclude lines with {p} from {f} / filter out {p} from {f} || grep -v "{p}" {f}
count the lines with {p} in {f} / how many lines of {f} contain {p} / number of matches of {p} in {f} || grep -c "{p}" {f}
show line numbers of {p} in {f} / find {p} in {f} with line numbers / at which lines is {p} in {f} || grep -n "{p}" {f}
list the files that contain {p} in {d} / which files in {d} contain {p} / names of the files under {d} with the text {p} || grep -rl "{p}" {d}
find all {e} files in {d} / search {d} for files ending in .{e} / list every .{e} file under {d} / look for {e} files in the folder {d} / find files with the extension {e} in {d} || find {d} -name "*.{e}"
find the file {f} / where is the file {f} / search for a file named {f} here / look for {f} in this folder and below || find . -name "{f}"
find files larger than {n} MB in {d} / list files over {n} megabytes under {d} / search {d} for files bigger than {n}M || find {d} -size +{n}M
find files changed in the last {n} days in {d} / list files in {d} modified within {n} days / which files under {d} changed in the past {n} days || find {d} -mtime -{n}
find empty files in {d} / list the empty files under {d} / search {d} for files without content || find {d} -type f -empty
find all folders in {d} / list only directories under {d} / search {d} for directories || find {d} -type d
delete all {e} files under {d} / find and remove every .{e} file in {d} / recursively delete the .{e} files of {d} || find {d} -name "*.{e}" -delete
replace {p} with {q} in {f} / change every {p} to {q} in {f} / substitute {q} for {p} in the file {f} / swap all {p} for {q} in {f} in place || sed -i 's/{p}/{q}/g' {f}
print line {n} of {f} / show only line {n} of {f} / get line number {n} from {f} || sed -n '{n}p' {f}
delete line {n} of {f} / remove line {n} from {f} in place / drop line number {n} in the file {f} || sed -i '{n}d' {f}
print column {n} of {f} / show the field {n} of each line in {f} / get the column {n} from {f} || awk '{print ${n}}' {f}
get column {n} of the csv file {f3} / cut field {n} out of the comma file {f3} / show column {n} of {f3}, separated by commas || cut -d, -f{n} {f3}
make {f} upper case / convert the text of {f} to capitals / print {f} in upper case || tr 'a-z' 'A-Z' < {f}
compare {f} and {h} / show the differences between {f} and {h} / what is different in {f} and {h} / diff the files {f} and {h} || diff {f} {h}
make {f2} executable / give execute permission to {f2} / allow {f2} to be run / set the execute bit of {f2} || chmod +x {f2}
set the permissions of {f} to {m} / change the mode of {f} to {m} / chmod {f} to {m} / give {f} the rights {m} || chmod {m} {f}
change the owner of {f} to {u} / make {u} the owner of {f} / give {f} to the user {u} / let {u} own the file {f} || chown {u} {f}
change the owner of {d} and all in it to {u} / make {u} own the folder {d} recursively / give the directory {d} with its content to {u} || chown -R {u} {d}
make a link from {f} to {h} / create a symbolic link {h} that points to {f} / symlink {f} as {h} || ln -s {f} {h}
pack {d} into {a} / create a compressed archive {a} of {d} / make a gzipped tar {a} from the folder {d} / archive {d} as {a} / compress the folder {d} to {a} || tar -czf {a} {d}
extract {a} / unpack {a} / untar the archive {a} / open the archive {a} here / decompress {a} || tar -xzf {a}
extract {a} into {d} / unpack {a} to the folder {d} / untar {a} in {d} || tar -xzf {a} -C {d}
list the content of {a} / show what is in the archive {a} / see the files inside {a} || tar -tzf {a}
zip the folder {d} as {z} / create the zip file {z} from {d} / compress {d} to {z} / put {d} in a zip called {z} || zip -r {z} {d}
unzip {z} / extract the zip file {z} / unpack {z} / open the zip archive {z} || unzip {z}
unzip {z} into {d} / extract {z} to the folder {d} / unpack the zip {z} in {d} || unzip {z} -d {d}
compress {f} with gzip / gzip the file {f} / make {f} smaller with gzip || gzip {f}
show free disk space / how much disk space is left / display disk usage of all drives / see the free space on the disks || df -h
show the size of {d} / how big is the folder {d} / how much space does {d} use / total size of {d} / disk usage of {d} || du -sh {d}
show free memory / how much memory is free / display memory usage / how much RAM is used || free -h
show running processes / list all processes / see every running process / display all the processes || ps aux
find the process {x} / is {x} running / look for processes named {x} / show the process ids of {x} || pgrep {x}
kill process {i} / stop the process with id {i} / end the process {i} / terminate process number {i} || kill {i}
force kill process {i} / kill the process {i} at once with signal 9 / kill {i} no matter what || kill -9 {i}
kill all processes named {x} / stop every {x} process / end all running {x} programs || killall {x}
show which process uses port {t} / what is listening on port {t} / find the program on port {t} || lsof -i :{t}
monitor processes live / show processes and cpu use as it changes / watch cpu usage || top
show how long the system has been up / how long is this machine running / display the uptime || uptime
show the current date and time / what time is it on this machine / print today's date || date
show the kernel version / which kernel am I running / print the kernel release || uname -r
show my user name / who am I logged in as / print the current user || whoami
show who is logged in / which users are logged in / list the users on this machine || who
show the host name / what is this computer called / print the name of this machine || hostname
show the ip addresses / what is my ip address / list the network interfaces / display network addresses || ip addr
ping {s} / check if {s} is reachable / test the connection to {s} / see if the host {s} answers || ping {s}
ping {s} {n} times / send {n} pings to {s} / test {s} with {n} packets || ping -c {n} {s}
download {l} / fetch the file at {l} / get {l} with wget / save {l} to disk || wget {l}
download {l} as {f} / save {l} to the file {f} / fetch {l} into {f} / get {l} and call it {f} || curl -o {f} {l}
show the headers of {l} / fetch only the HTTP headers from {l} / print the response headers of {l} || curl -I {l}
send a post request to {l} / post to {l} / make an HTTP POST call to {l} || curl -X POST {l}
log in to {s} as {u} / connect to {s} by ssh as user {u} / open a shell on {s} as {u} / ssh into {s} with the user {u} || ssh {u}@{s}
log in to {s} as {u} on port {t} / ssh to {s} as {u} using port {t} / connect to {u} on {s}, port {t} || ssh -p {t} {u}@{s}
copy {f} to the home of {u} on {s} / upload {f} to {s} as {u} / send {f} to the server {s} as user {u} || scp {f} {u}@{s}:
sync {d} to {g} / mirror the folder {d} to {g} / synchronise {d} with {g} / rsync {d} into {g} || rsync -av {d}/ {g}/
look up the address of {s} / find the ip of {s} / DNS lookup for {s} / resolve the name {s} || nslookup {s}
create an ssh key / generate a new ssh key pair / make an ssh key || ssh-keygen
print {p} / output the text {p} / write {p} to the screen / echo the word {p} || echo "{p}"
write {p} into {f} / save the text {p} to {f} / put the word {p} in the file {f} / overwrite {f} with {p} || echo "{p}" > {f}
append {p} to {f} / add the line {p} at the end of {f} / add {p} to the file {f} || echo "{p}" >> {f}
wait {n} seconds / sleep for {n} seconds / pause {n} seconds / do nothing for {n} seconds || sleep {n}
run {f2} every {n} seconds / repeat the script {f2} each {n} seconds / watch the output of {f2} every {n} seconds || watch -n {n} ./{f2}
run {f2} in the background / start the script {f2} in the background / launch {f2} without waiting || ./{f2} &
run the script {f2} with bash / execute {f2} in bash / start the shell script {f2} || bash {f2}
set the variable {v} to {p} / export {v} with the value {p} / define the environment variable {v} as {p} || export {v}={p}
show all environment variables / list the environment / print the environment variables || env
show the value of {v} / print the variable {v} / what is in the variable {v} || echo ${v}
show the path of {x} / where is the program {x} / which {x} is used / locate the command {x} || which {x}
open the manual of {x} / show the help page for {x} / read the man page of {x} || man {x}
show the commands I typed / list my command history / display earlier commands || history
clear the screen / empty the terminal window / wipe the terminal || clear
show the type of the file {f} / what kind of file is {f} / tell what sort of data {f} holds || file {f}
show the checksum of {f} / compute the sha256 sum of {f} / get the sha256 hash of {f} || sha256sum {f}
show the md5 sum of {f} / compute the md5 hash of {f} / md5 of the file {f} || md5sum {f}
split {f} into pieces of {n} lines / cut {f} into files with {n} lines each / divide {f} every {n} lines || split -l {n} {f}
print the numbers from 1 to {n} / count from 1 to {n} / list the numbers 1 to {n} || seq {n}
show a calendar / print the calendar of this month / display this month's calendar || cal
show the folder tree of {d} / display {d} as a tree / print the directory tree under {d} || tree {d}
install {k2} with apt / install the package {k2} on Ubuntu / use apt to install {k2} / add the package {k2} on Debian || sudo apt install {k2}
remove {k2} with apt / uninstall the package {k2} on Ubuntu / use apt to remove {k2} || sudo apt remove {k2}
update the package lists / refresh the apt package index / update the list of packages on Ubuntu || sudo apt update
upgrade all packages / install all package updates on Ubuntu / bring all apt packages up to date || sudo apt upgrade
install the Python package {y} / use pip to install {y} / add the Python library {y} / pip install for {y} || pip install {y}
uninstall the Python package {y} / remove the Python library {y} / use pip to remove {y} || pip uninstall {y}
install Python packages from {f} / install what is listed in {f} with pip / pip install all requirements in {f} || pip install -r {f}
list installed Python packages / show the pip packages / which Python packages are installed || pip list
create a Python virtual environment in {d} / make a venv called {d} / set up a virtual environment {d} || python3 -m venv {d}
run the Python script {w} / execute {w} with Python / start {w} in Python 3 || python3 {w}
start a web server on port {t} in this folder / serve this folder on port {t} with Python / share the current directory over HTTP on port {t} || python3 -m http.server {t}
install the npm package {y} / add {y} with npm / use npm to install {y} || npm install {y}
install the npm dependencies / install all packages of this node project / run the npm installation || npm install
start a new git repository / make this folder a git repository / initialise git here || git init
clone {c} / get a copy of the repository {c} / download the git repository {c} / git clone for {c} || git clone {c}
show the git status / which files changed in git / see what is modified in the repository || git status
stage {f} / add {f} to the git index / mark {f} for the next commit / git add the file {f} || git add {f}
stage all changes / add all changed files to git / mark everything for the commit || git add .
commit with the message "{o}" / make a commit named "{o}" / save the staged changes as "{o}" / git commit saying "{o}" || git commit -m "{o}"
push to the remote / send my commits to the server / upload the commits || git push
push the branch {b} to origin / send the branch {b} to the remote origin / upload branch {b} to origin || git push origin {b}
get the newest changes from the remote / pull the latest commits / update my branch from the server || git pull
create a branch called {b} and switch to it / make a new branch {b} and check it out / start the branch {b} || git checkout -b {b}
switch to the branch {b} / go to branch {b} / check out {b} / change to the git branch {b} || git checkout {b}
delete the branch {b} / remove the git branch {b} / get rid of the local branch {b} || git branch -d {b}
list all branches / show the git branches / which branches are there || git branch
merge {b} into the current branch / bring the changes of {b} into this branch / git merge of {b} || git merge {b}
show the last {n} commits / print the latest {n} commits / see {n} entries of the git log || git log -n {n}
show the commit history on one line each / short git log / compact list of the commits || git log --oneline
show unstaged changes / what did I change since the last commit / see the git diff || git diff
put my changes aside / stash the changes / save my work in the git stash || git stash
get the stashed changes back / apply and drop the latest stash / restore my stash || git stash pop
undo the last commit but keep the changes / take back the last commit and leave the files / soft reset by one commit || git reset --soft HEAD~1
throw away the changes in {f} / restore {f} to the last commit / discard my edits of {f} || git checkout -- {f}
tag this commit as {r} / create the git tag {r} / mark the commit with the tag {r} || git tag {r}
list running containers / show the docker containers that run / which containers are running || docker ps
list all containers / show stopped containers too / see every docker container || docker ps -a
list docker images / show the images on this machine / which docker images do I have || docker images
run the image {j} / start a container from {j} / launch a docker container of the image {j} || docker run {j}
run {j} and publish port {t} / start the image {j} with port {t} open / run the container {j} mapping port {t} || docker run -p {t}:{t} {j}
stop the container {x} / halt the docker container {x} / shut down the container named {x} || docker stop {x}
remove the container {x} / delete the docker container {x} / get rid of the container named {x} || docker rm {x}
show the logs of the container {x} / print what the container {x} logged / docker logs for {x} || docker logs {x}
open a shell in the container {x} / get a bash prompt inside the container {x} / enter the docker container {x} || docker exec -it {x} bash
build an image called {j} / build the docker image {j} from this folder / make the image {j} with docker || docker build -t {j} .
pull the image {j} / download the docker image {j} / fetch the image {j} || docker pull {j}
start the service {x} / launch the system service {x} / turn on the service {x} || sudo systemctl start {x}
stop the service {x} / halt the system service {x} / turn off the service {x} || sudo systemctl stop {x}
restart the service {x} / start {x} again as a service / reload the service {x} by a restart || sudo systemctl restart {x}
show the status of the service {x} / is the service {x} active / check the system service {x} || systemctl status {x}
start {x} at boot / enable the service {x} / let {x} start with the system || sudo systemctl enable {x}
show the logs of the service {x} / read the journal of {x} / print the system log for {x} || journalctl -u {x}
edit my cron jobs / change the crontab / open the cron table || crontab -e
list my cron jobs / show the crontab / which cron jobs do I have || crontab -l
add the user {u} / create a new user {u} / make an account for {u} || sudo adduser {u}
delete the user {u} / remove the account {u} / get rid of the user {u} || sudo userdel {u}
change my password / set a new password for me / renew my password || passwd
switch to the user {u} / become {u} / log in as {u} here || su {u}
reboot the machine / restart the computer / boot again now || sudo reboot
shut down now / turn off the computer / power off the machine at once || sudo shutdown now
build with make / run make / compile the project with the Makefile || make
compile {q2} to {x} / build {q2} with gcc as {x} / make the program {x} from {q2} || gcc {q2} -o {x}
""")

FILES = "notes report data log users todo config list prices letter results server names orders draft summary main index backup test input output".split()
EXTENSIONS = "txt csv md log json xml html pdf jpg png conf yaml py sh tmp".split()
DIRS = "docs photos backup src music data logs projects build tests videos downloads archive reports images public scripts old web music2020".split()
SLOTS = {
    "d": lambda r: r.choice(DIRS) if chance(r, 0.6) else invented(r), "f": lambda r: word(r) + "." + r.choice(EXTENSIONS[:10]), "h": lambda r: word(r) + "." + r.choice(EXTENSIONS[:10]),
    "e": lambda r: r.choice(EXTENSIONS), "n": lambda r: str(r.choice([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 50, 60, 100, r.randint(2, 500)])),
    "p": lambda r: r.choice("error warning hello todo failed password apple start user test main timeout total name".split()) if chance(r, 0.6) else invented(r),
    "m": lambda r: r.choice("644 755 600 700 777 640 664 400 750".split()), "u": lambda r: r.choice(W.FIRST_NAMES).lower() if chance(r, 0.6) else r.choice(["root", "admin", "deploy", invented(r)]),
    "a": lambda r: word(r) + ".tar.gz", "z": lambda r: word(r) + ".zip", "s": lambda r: r.choice([invented(r) + r.choice([".com", ".org", ".net", ".local"]), f"10.0.{r.randint(0, 9)}.{r.randint(1, 250)}", f"192.168.1.{r.randint(2, 250)}", "example.com"]),
    "l": lambda r: "https://" + r.choice(["", "www."]) + invented(r) + r.choice([".com/", ".org/", ".net/"]) + word(r) + "." + r.choice(["zip", "html", "json", "txt"]),
    "x": lambda r: r.choice("nginx redis postgres web apache2 mysql node ssh cron app worker firefox vim python3".split()) if chance(r, 0.7) else invented(r),
    "i": lambda r: str(r.randint(100, 32000)), "t": lambda r: str(r.choice([80, 443, 3000, 5000, 8000, 8080, 2222, 5432, r.randint(1024, 9999)])),
    "v": lambda r: r.choice(["PATH", "HOME", "EDITOR", "LANG", "PORT", "API_KEY", "DEBUG", "MODE", invented(r).upper()]), "y": lambda r: r.choice("requests numpy pandas flask django pytest express react lodash scipy".split()) if chance(r, 0.7) else invented(r),
    "k2": lambda r: r.choice("curl git vim htop tree nginx python3 jq wget zip".split()) if chance(r, 0.7) else invented(r), "w": lambda r: word(r) + ".py", "f2": lambda r: word(r) + ".sh", "f3": lambda r: word(r) + ".csv", "q2": lambda r: word(r) + ".c",
    "c": lambda r: "https://" + r.choice(["github.com/", "gitlab.com/"]) + invented(r) + "/" + word(r) + ".git", "b": lambda r: r.choice(["main", "develop", "feature", "fix-login", "release", "test", "fix-" + invented(r), invented(r)]),
    "o": lambda r: r.choice(["fix typo", "add tests", "first version", "update readme", "remove old files", "new login page", "fix " + invented(r), "add " + invented(r) + " support"]),
    "r": lambda r: f"v{r.randint(0, 9)}.{r.randint(0, 20)}", "j": lambda r: r.choice(["nginx", "ubuntu", "redis", "python:3.11", "alpine", "postgres", invented(r), invented(r) + ":latest"]),
}
SLOTS.update(g=SLOTS["d"], q=SLOTS["p"], k=SLOTS["h"])
SLOT = re.compile(r"\{(" + "|".join(SLOTS) + r")\}")


def word(rng):
    return rng.choice(FILES) + (str(rng.randint(1, 30)) if chance(rng, 0.12) else "") if chance(rng, 0.65) else invented(rng)


def own(rng, held):
    phrasings, (command,) = rng.choice(OWN)
    phrase = pick(rng, phrasings, held)
    while True:
        values = {}
        for name in dict.fromkeys(SLOT.findall(phrase + command)):
            values[name] = SLOTS[name](rng)
        if len(set(values.values())) == len(values):
            break
    put = lambda text: SLOT.sub(lambda match: values[match.group(1)], text)
    return put(phrase), put(command)


NO_VERB = set("what which where is how who does number names word byte total docker git case-insensitive short compact disk at tell long DNS pip md5 soft".split())
NEUTRAL = lines("""
What is the shell command? {t}
Shell command: {t}
Turn this into a shell command: {t}
Command for "{t}"?
bash: {t}
{t} (shell command)
Task: {t}\\nCommand:
Give only the command: {t}
{t}\\nAnswer with a Linux command.
Linux terminal: {t}
Which command answers this: {t}?
""")


def wrap(rng, task, held):
    """Questions and noun phrases take only the wordings that need no verb."""
    return pick(rng, NEUTRAL if task.split()[0] in NO_VERB else ASK, held).replace("{t}", task)


def presented(rng, task, command, held):
    text = wrap(rng, task, held)
    return single(first_upper(text) if text[:5] != "bash:" else text, command)


def command_own(rng, data, held):
    if chance(rng, 0.2):
        messages = [("system", pick(rng, SYSTEM, held))]
        for _ in range(rng.randint(1, 4)):
            task, command = own(rng, held)
            messages += [("user", first_upper(task) if chance(rng, 0.6) else task), ("assistant", command)]
        return messages
    return presented(rng, *own(rng, held), held)


# ---------------------------------------------------------------------------------------------- tldr rows

SHORT = [(r"path/to/(?:file|\w*file\w*)1? path/to/\w+2 \.\.\.", "file1.txt file2.txt"), (r"path/to/director(?:y|ies)1? path/to/\w+2 \.\.\.", "dir1 dir2"), (r"^/?(?:path/to/)?[\w-]*director(?:y|ies)$", "dir"),
         (r"^/?path/to/(?:source_|input_)?file$", "file.txt"), (r"^/?path/to/file_or_directory$", "file.txt"), (r"^/?path/to/(?:target|destination|output)_file$", "output.txt"),
         (r"(?:\S*/)?path/to/", ""), (r" \.\.\.", ""), (r"\[[^\]]*\]", ""), (r"\.ext\b", ".txt")]


def resolve(match):
    text = match.group(1)
    option = re.fullmatch(r"\[([^|\]]*)\|[^\]]*\](.*)", text)
    if option:
        return option.group(1) + option.group(2)
    if re.fullmatch(r"[\w.|:/=-]+\|[\w.|:/=-]+", text):
        text = text.split("|")[0]
    for pattern, short in SHORT:
        text = re.sub(pattern, short, text)
    return text


@lru_cache(None)
def load(folder):
    """(trained, held out) pairs of task and command, split by page."""
    sides = ([], [])
    for row in read(folder, "tldr_commands"):
        if row["page"] not in PAGES or row["platform"] not in ("common", "linux"):
            continue
        task = re.sub(r"\[(\w+)\]", r"\1", row["task"]).replace("`", "").strip().rstrip(".:")
        task = re.sub(r"\s*\((?:[^()]{25,})\)", "", task)
        command = re.sub(r"\{\{(.*?)\}\}", resolve, row["command"])
        if len(command) < 80 and "{{" not in command and "\n" not in command and len(task.split()) < 18 and not re.search(r"(?i)display (help|version)", task):
            sides[held_out_text(row["page"])].append((task[0].lower() + task[1:] if not task[1:2].isupper() else task, command))
    trained = {task for task, _ in sides[0]}
    return sides[0], [pair for pair in sides[1] if pair[0] not in trained]


def with_page(rng, task, command):
    """Name the program in some prompts, since many pages share a task."""
    program = next((part for part in command.split() if part != "sudo"), "")
    return task + f" with {program}" if program and program not in task and chance(rng, 0.35) else task


def command_tldr(rng, data):
    task, command = rng.choice(data[0])
    return presented(rng, with_page(rng, task, command), command, False)


def held_command_tldr(rng, data):
    task, command = rng.choice(data[1])
    return {"task": "command_tldr", "messages": [("user", wrap(rng, with_page(rng, task, command), False))], "answer": command, "scorer": "f1"}


TASKS, HELD_OUT = split({"command_own": (command_own, "exact", True)})
TASKS["command_tldr"] = command_tldr
HELD_OUT["command_tldr"] = held_command_tldr
