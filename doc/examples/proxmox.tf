# What the broker takes in Proxmox VE, with Terraform or OpenTofu and the provider bpg/proxmox: a pool with the guests that are cluster nodes, a role,
# a user, a token, and their grants. The same as the script of `fence-broker-admin provision`; it is not for both: whoever made it changes it.
#
#   terraform init && terraform apply
#   (umask 077 && terraform output -raw fence_broker_secret >secret)       # on each node: /etc/fence-broker/secret; ansible.yml has it from a vault
#
# The token's secret lies in Terraform's state, readable: keep the state where secrets are kept. The provider logs in as whoever may do this, see its
# documentation (PROXMOX_VE_ENDPOINT, PROXMOX_VE_USERNAME, PROXMOX_VE_PASSWORD in the environment).
#
# Tried by the tests: that the privileges and the grants are those of `fence-broker-admin provision`. Names of resources and attributes are those of
# the provider's documentation, release 0.111. Not tried: terraform validate and apply, for which the provider is needed.

terraform {
  required_providers {
    proxmox = {
      source  = "bpg/proxmox"
      version = ">= 0.111"
    }
  }
}

variable "fence_broker_guests" {
  type        = set(number)
  description = "The guests that are nodes of the cluster"
  default     = [101, 102, 103]
}

resource "proxmox_virtual_environment_pool" "cluster" {
  pool_id = "nfs_cluster"
  comment = "nodes that the fence broker may fence"
}

resource "proxmox_pool_membership" "node" {
  for_each = var.fence_broker_guests
  pool_id  = proxmox_virtual_environment_pool.cluster.pool_id
  vm_id    = each.value
}

resource "proxmox_virtual_environment_role" "fence_broker" {
  role_id    = "FenceBroker"
  privileges = ["VM.PowerMgmt", "VM.Audit", "Pool.Audit"]
}

# without a password: it logs in by its token alone
resource "proxmox_virtual_environment_user" "fence" {
  user_id = "fence@pve"
  comment = "fences cluster nodes"
}

resource "proxmox_user_token" "broker" {
  user_id               = proxmox_virtual_environment_user.fence.user_id
  token_name            = "broker"
  privileges_separation = true
}

# a token with privileges of its own may do what both may
resource "proxmox_acl" "user" {
  path      = "/pool/${proxmox_virtual_environment_pool.cluster.pool_id}"
  role_id   = proxmox_virtual_environment_role.fence_broker.role_id
  user_id   = proxmox_virtual_environment_user.fence.user_id
  propagate = false
}

resource "proxmox_acl" "token" {
  path      = "/pool/${proxmox_virtual_environment_pool.cluster.pool_id}"
  role_id   = proxmox_virtual_environment_role.fence_broker.role_id
  token_id  = proxmox_user_token.broker.id
  propagate = false
}

# "fence@pve!broker=11111111-…": the secret is what follows the "="
output "fence_broker_secret" {
  value     = element(split("=", proxmox_user_token.broker.value), 1)
  sensitive = true
}
