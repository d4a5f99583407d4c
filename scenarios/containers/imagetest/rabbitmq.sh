#!/bin/sh
# Starts RabbitMQ as the official image with its management plugin does: RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS,
# RABBITMQ_DEFAULT_VHOST, RABBITMQ_ERLANG_COOKIE, RABBITMQ_NODENAME, and files of /etc/rabbitmq/conf.d.
set -eu
[ "$1" = rabbitmq-server ] || exec "$@"
home=/var/lib/rabbitmq
mkdir -p "$home" /var/log/rabbitmq /etc/rabbitmq/conf.d
if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ]; then
  (umask 077 && printf '%s' "$RABBITMQ_ERLANG_COOKIE" >"$home/.erlang.cookie")
  chmod 400 "$home/.erlang.cookie"
  unset RABBITMQ_ERLANG_COOKIE
fi
{
  echo 'loopback_users.guest = false'
  echo 'log.console = true'
  [ -z "${RABBITMQ_DEFAULT_USER:-}" ] || echo "default_user = $RABBITMQ_DEFAULT_USER"
  [ -z "${RABBITMQ_DEFAULT_PASS:-}" ] || echo "default_pass = $RABBITMQ_DEFAULT_PASS"
  [ -z "${RABBITMQ_DEFAULT_VHOST:-}" ] || echo "default_vhost = $RABBITMQ_DEFAULT_VHOST"
} >/etc/rabbitmq/conf.d/10-defaults.conf
echo '[rabbitmq_management,rabbitmq_prometheus].' >/etc/rabbitmq/enabled_plugins
chown -R rabbitmq:rabbitmq "$home" /var/log/rabbitmq /etc/rabbitmq
exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups env HOME="$home" "$@"
