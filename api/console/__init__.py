"""The pages of billing admins, approvers and Finance: they show what the API answers, and decide nothing."""
